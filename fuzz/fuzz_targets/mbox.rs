//! An mbox file: no panic, messages that lie one behind the other, and a text that is the same however it is
//! cut, with no more octets than the file has of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use maildrop::mbox::{Postmark, Shown, Variant, index};

fuzz_target!(|octets: &[u8]| {
    for variant in Variant::ALL {
        let Ok(found) = index(octets, variant) else {
            continue;
        };
        let mut before = 0;
        for message in found {
            let (start, end) = (message.text.start as usize, message.text.end as usize);
            assert!(before <= start && start <= end && end <= octets.len());
            assert!(variant == Variant::Mmdf || message.postmark.is_some());
            before = end;
            let text = &octets[start..end];
            let whole = shown(variant, text, usize::MAX);
            assert!(whole.len() <= text.len());
            assert_eq!(whole, shown(variant, text, 3));
        }
    }
    let _ = Postmark::parse(octets);
});

fn shown(variant: Variant, text: &[u8], piece: usize) -> Vec<u8> {
    let (mut shown, mut out) = (Shown::new(variant), Vec::new());
    for piece in text.chunks(piece) {
        shown.take(piece, &mut out);
    }
    shown.finish(&mut out);
    out
}
