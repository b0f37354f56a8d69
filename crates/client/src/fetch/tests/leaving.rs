//! When a session says QUIT: not before all is durable, even where nothing is to be deleted. There are servers that delete at QUIT what
//! was retrieved, and say so to nobody.

use std::time::{Duration, Instant};

use super::*;

/// Its disk takes for a while, or until QUIT was said.
#[derive(Debug)]
struct Slow {
    server: Server,
    waits: Duration,
    /// Whether QUIT or DELE was said before all was durable.
    was_left: Arc<Mutex<Option<bool>>>,
}

impl Destination for Slow {
    fn name(&self) -> &str {
        "slow:a"
    }

    fn exactness(&self) -> Exactness {
        Exactness::Once
    }

    fn open(&mut self, _: Ended) -> Result<(), NotDelivered> {
        Ok(())
    }

    fn deliver(&mut self, _: &Message, _: &mut Text) -> Result<(), NotDelivered> {
        Ok(())
    }

    fn commit(&mut self) -> Result<(), NotDelivered> {
        let until = Instant::now() + self.waits;
        let is_left = || {
            let leaves = |it: &String| it == "QUIT" || it.starts_with("DELE");
            self.server.with(|state| state.commands.iter().any(leaves))
        };
        while !is_left() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.was_left.lock().unwrap().get_or_insert(is_left());
        Ok(())
    }
}

/// Whether the server was left, or told to delete, before what it gave was durable.
fn left_early(keep: Keep, waits: Duration) -> Option<bool> {
    let place = Place::new(&THREE);
    let was_left = Arc::new(Mutex::new(None));
    let slow = |destinations: &mut Destinations| {
        *destinations = vec![Box::new(Slow {
            server: place.server.clone(),
            waits,
            was_left: Arc::clone(&was_left),
        })];
    };
    let (result, _) = place.fetch_to(&|job| job.keep = keep, &slow);
    assert_eq!(result.unwrap().new, 3);
    let deleted = if keep == Keep::Never { 0 } else { 3 };
    assert_eq!(place.server.ids().len(), deleted);
    *was_left.lock().unwrap()
}

#[test]
fn nobody_leaves_and_nothing_is_deleted_before_all_is_durable() {
    for keep in [Keep::Always, Keep::Never] {
        let waits = Duration::from_millis(300);
        assert_eq!(left_early(keep, waits), Some(false), "{keep:?}");
    }
}
