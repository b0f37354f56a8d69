//! The sidecar of a large maildrop: a memory that is never believed blindly.

use maildrop::native::media::Disk as _;
use pop3::{Deletions, MessageNumber};
use restante_tests::media::{Loss, Plan, SimDisk};

use crate::shop::{DROP, deliver, path, retrieve, store};
use crate::specimen::{sidecar, tear};

/// A large drop opens from its sidecar, and any rot in that is as good as none.
#[test]
fn a_sidecar_is_never_trusted_blindly() {
    let disk = SimDisk::default();
    let shop = store(&disk);
    for n in 0..600 {
        deliver(&shop, format!("N: {n}\r\n\r\n").as_bytes());
    }
    let mut deletions = Deletions::default();
    deletions.mark(MessageNumber::new(7).unwrap());
    shop.open(DROP).unwrap().commit(&deletions).unwrap();
    shop.tidy(DROP).unwrap();
    let sidecar = sidecar();
    let octets = disk.octets(&sidecar).expect("more than 512 messages");
    let good = retrieve(&shop).unwrap();
    let calls = |disk: &SimDisk| {
        disk.plan(Plan::Calm);
        let shop = store(disk);
        drop(shop.open(DROP).unwrap());
        disk.calls()
    };
    assert!(calls(&disk) < 30, "{}", calls(&disk));
    assert_eq!(retrieve(&store(&disk)).unwrap(), good);
    deliver(&shop, b"N: new\r\n\r\n");
    let good = retrieve(&shop).unwrap();
    assert_eq!(retrieve(&store(&disk)).unwrap(), good);
    for octet in (0..200).chain((200..octets.len()).step_by(97)) {
        let rotten = disk.reboot(Loss::Nothing);
        rotten.rot(&sidecar, |octets| octets[octet] ^= 0x10);
        let shop = store(&rotten);
        let session = shop.open(DROP).unwrap();
        assert_eq!(session.listing().len(), good.len(), "octet {octet}");
    }
    for end in [0, 1, 100, 128, octets.len() - 1] {
        let rotten = disk.reboot(Loss::Nothing);
        rotten.rot(&sidecar, |octets| octets.truncate(end));
        assert_eq!(
            store(&rotten).open(DROP).unwrap().listing().len(),
            good.len()
        );
    }
    // The file lost what the sidecar knows to have been durable.
    let rotten = disk.reboot(Loss::Nothing);
    rotten.rot(&path(), |octets| octets.truncate(octets.len() - 400));
    let shop = store(&rotten);
    let left = retrieve(&shop).unwrap();
    assert!(left.len() >= good.len() - 6);
    let id = deliver(&shop, b"N: x\r\n\r\n");
    assert!(
        good[..good.len() - 1]
            .iter()
            .all(|(known, _)| known != id.as_bytes())
    );
}

/// As above, with a sidecar as the memory.
#[test]
fn a_sidecar_of_what_was_cut_is_not_believed() {
    let disk = SimDisk::default();
    let shop = store(&disk);
    for n in 0..600 {
        deliver(&shop, format!("N: {n}\r\n\r\n").as_bytes());
    }
    shop.tidy(DROP).unwrap();
    let sidecar = sidecar();
    // It could not be opened for a moment, and just then the last record could not be read.
    disk.rename(&sidecar, "away").unwrap();
    disk.rot(&path(), tear);
    let text = [b'b'; 400];
    let theirs = deliver(&store(&disk), &text);
    disk.rename("away", &sidecar).unwrap();
    let found = retrieve(&store(&disk)).unwrap();
    assert_eq!(found.len(), 600);
    assert_eq!(
        found[599],
        (theirs.as_bytes().to_vec(), Some(text.to_vec()))
    );
}
