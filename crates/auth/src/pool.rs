//! Threads for work that is slow by intent, with a bounded queue.
//!
//! Hashing must not starve what else the server does, nor take memory without limit: so many hashes
//! run at once as there are threads, so many wait as the queue has places, and one address holds a
//! quarter of the places at most. There is a quarter more for those who logged in lately, so that
//! strangers from many addresses do not shut them out. Work whose asker has gone gives its place back at once.
//! Background work (a better hash for an account that has just logged in) runs when nobody waits,
//! on one thread at a time, and is dropped when there is too much of it: the next login brings it back.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;
use tracing::error;

type Job = Box<dyn FnOnce() + Send>;

/// The threads and their queue. Dropping it ends the threads when what is running has ended.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    queue_max: usize,
    background_max: usize,
}

/// Whether whoever asks has logged in to the account from the same place lately.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    Known,
    Stranger,
}

/// Why work was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PoolError {
    #[error("too many logins wait to be checked")]
    Full,
    #[error("checking a login failed in an unexpected way")]
    Failed,
}

struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// Places that each asker holds in `waiting`.
    held: HashMap<u64, usize>,
    background: VecDeque<Job>,
    background_runs: bool,
    next_ticket: u64,
    closed: bool,
}

struct Waiting {
    ticket: u64,
    asker: u64,
    job: Job,
}

impl Pool {
    /// Starts the threads.
    pub(crate) fn new(
        threads: NonZeroUsize,
        queue_max: usize,
        background_max: usize,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            work: Condvar::new(),
        });
        let pool = Self {
            shared: Arc::clone(&shared),
            queue_max,
            background_max,
        };
        for n in 0..threads.get() {
            let shared = Arc::clone(&shared);
            // On an error here `pool` is dropped, which ends the threads before.
            thread::Builder::new()
                .name(format!("hash-{n}"))
                .spawn(move || shared.run())?;
        }
        Ok(pool)
    }

    /// Does the work on a thread of the pool. `asker` is whom the place in the queue counts for.
    /// When the future is dropped, the place is given back; what runs already runs to its end.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        asker: u64,
        standing: Standing,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let (sender, receiver) = oneshot::channel();
        let place = self.place(
            asker,
            standing,
            Box::new(move || {
                // Nobody may be waiting any more.
                let _ = sender.send(work());
            }),
        )?;
        let result = receiver.await.map_err(|_| PoolError::Failed);
        drop(place);
        result
    }

    /// Does the work when nobody waits, or never if too much background work is there already.
    /// Says whether it was taken.
    pub(crate) fn background(&self, work: impl FnOnce() + Send + 'static) -> bool {
        let mut queue = self.shared.lock();
        if queue.background.len() >= self.background_max {
            return false;
        }
        queue.background.push_back(Box::new(work));
        drop(queue);
        self.shared.work.notify_one();
        true
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.shared.lock().waiting.len()
    }

    fn place(&self, asker: u64, standing: Standing, job: Job) -> Result<Place<'_>, PoolError> {
        let mut queue = self.shared.lock();
        let held = queue.held.get(&asker).copied().unwrap_or_default();
        let places = match standing {
            Standing::Known => self.queue_max + self.queue_max.div_ceil(4),
            Standing::Stranger => self.queue_max,
        };
        if queue.waiting.len() >= places || held >= self.queue_max.div_ceil(4) {
            return Err(PoolError::Full);
        }
        let ticket = queue.next_ticket;
        queue.next_ticket += 1;
        queue.held.insert(asker, held + 1);
        queue.waiting.push_back(Waiting { ticket, asker, job });
        drop(queue);
        self.shared.work.notify_one();
        Ok(Place {
            shared: &self.shared,
            ticket,
        })
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.closed = true;
        queue.waiting.clear();
        queue.background.clear();
        drop(queue);
        self.shared.work.notify_all();
    }
}

/// A place in the queue, until the work runs or this is dropped.
struct Place<'a> {
    shared: &'a Shared,
    ticket: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        // Tickets rise along the queue; the place is gone from it when the work was begun.
        if let Ok(at) = queue
            .waiting
            .binary_search_by_key(&self.ticket, |waiting| waiting.ticket)
            && let Some(waiting) = queue.waiting.remove(at)
        {
            queue.leave(waiting.asker);
        }
    }
}

impl Queue {
    fn leave(&mut self, asker: u64) {
        match self.held.get_mut(&asker) {
            Some(held) if *held > 1 => *held -= 1,
            _ => {
                self.held.remove(&asker);
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // The queue is whole between any two statements, so a panic elsewhere does not spoil it.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut queue = self.lock();
        loop {
            if queue.closed {
                return;
            }
            if let Some(Waiting { asker, job, .. }) = queue.waiting.pop_front() {
                queue.leave(asker);
                drop(queue);
                guarded(job);
                queue = self.lock();
            } else if !queue.background_runs
                && let Some(job) = queue.background.pop_front()
            {
                queue.background_runs = true;
                drop(queue);
                guarded(job);
                queue = self.lock();
                queue.background_runs = false;
            } else {
                queue = self
                    .work
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

/// A panic in one login's work must not take a thread away from all others.
fn guarded(job: Job) {
    if catch_unwind(AssertUnwindSafe(job)).is_err() {
        error!("work in the hashing pool panicked");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    fn pool(threads: usize, queue_max: usize) -> Pool {
        Pool::new(NonZeroUsize::new(threads).unwrap(), queue_max, 2).unwrap()
    }

    /// Occupies the only thread until the sender is used or dropped.
    async fn block(pool: &Pool) -> mpsc::Sender<()> {
        let (go, wait) = mpsc::channel::<()>();
        let (begun, has_begun) = oneshot::channel();
        let place = pool
            .place(
                u64::MAX,
                Standing::Stranger,
                Box::new(move || {
                    begun.send(()).unwrap();
                    let _ = wait.recv();
                }),
            )
            .unwrap();
        has_begun.await.unwrap();
        drop(place);
        go
    }

    #[tokio::test]
    async fn work_is_done_and_its_result_comes_back() {
        assert_eq!(
            pool(2, 4)
                .run(1, Standing::Stranger, || 6 * 7)
                .await
                .unwrap(),
            42
        );
    }

    #[tokio::test]
    async fn a_full_queue_says_so_at_once() {
        let pool = pool(1, 4);
        let go = block(&pool).await;
        let places: Vec<_> = (0..4)
            .map(|asker| {
                pool.place(asker, Standing::Stranger, Box::new(|| ()))
                    .unwrap()
            })
            .collect();
        assert!(matches!(
            pool.run(9, Standing::Stranger, || ()).await,
            Err(PoolError::Full)
        ));
        drop(places);
        drop(go);
        pool.run(9, Standing::Stranger, || ()).await.unwrap();
    }

    #[tokio::test]
    async fn there_are_places_for_those_who_are_known_when_strangers_fill_the_queue() {
        let pool = pool(1, 8);
        let _go = block(&pool).await;
        let stranger = |asker| pool.place(asker, Standing::Stranger, Box::new(|| ()));
        let places: Vec<_> = (0..8).map(|asker| stranger(asker).unwrap()).collect();
        assert!(matches!(stranger(8), Err(PoolError::Full)));
        let known = |asker| pool.place(asker, Standing::Known, Box::new(|| ()));
        let _first = known(9).unwrap();
        let _second = known(10).unwrap();
        assert!(matches!(known(11), Err(PoolError::Full)));
        drop(places);
        assert!(stranger(8).is_ok());
    }

    #[tokio::test]
    async fn one_asker_holds_a_quarter_at_most() {
        let pool = pool(1, 8);
        let _go = block(&pool).await;
        let first = pool.place(7, Standing::Stranger, Box::new(|| ())).unwrap();
        let _second = pool.place(7, Standing::Stranger, Box::new(|| ())).unwrap();
        assert!(matches!(
            pool.run(7, Standing::Stranger, || ()).await,
            Err(PoolError::Full)
        ));
        let _other = pool.place(8, Standing::Stranger, Box::new(|| ())).unwrap();
        drop(first);
        let _third = pool.place(7, Standing::Stranger, Box::new(|| ())).unwrap();
    }

    #[tokio::test]
    async fn a_dropped_future_gives_its_place_back() {
        let pool = pool(1, 1);
        let go = block(&pool).await;
        for _ in 0..100 {
            let waits = pool.run(1, Standing::Stranger, || panic!("must not run"));
            assert!(
                tokio::time::timeout(Duration::from_millis(1), waits)
                    .await
                    .is_err()
            );
        }
        {
            let queue = pool.shared.lock();
            assert!(queue.waiting.is_empty() && queue.held.is_empty());
        }
        drop(go);
        pool.run(1, Standing::Stranger, || ()).await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_costs_no_thread() {
        let pool = pool(1, 4);
        let failed = pool
            .run(1, Standing::Stranger, || panic!("on purpose"))
            .await;
        assert!(matches!(failed, Err(PoolError::Failed)));
        pool.run(1, Standing::Stranger, || ()).await.unwrap();
    }

    #[tokio::test]
    async fn background_work_waits_for_those_who_wait_and_is_bounded() {
        let pool = pool(1, 4);
        let go = block(&pool).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        for n in 0..3 {
            let order = Arc::clone(&order);
            let taken = pool.background(move || order.lock().unwrap().push(n));
            assert_eq!(taken, n < 2);
        }
        let seen = Arc::clone(&order);
        let login = move || seen.lock().unwrap().push(100);
        let _place = pool.place(1, Standing::Stranger, Box::new(login)).unwrap();
        go.send(()).unwrap();
        while order.lock().unwrap().len() < 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(*order.lock().unwrap(), [100, 0, 1]);
    }

    #[tokio::test]
    async fn dropping_the_pool_fails_those_who_wait() {
        let pool = Arc::new(pool(1, 4));
        let go = block(&pool).await;
        let shared = Arc::clone(&pool.shared);
        let (sender, receiver) = oneshot::channel::<()>();
        std::mem::forget(
            pool.place(1, Standing::Stranger, Box::new(move || drop(sender)))
                .unwrap(),
        );
        drop(pool);
        assert!(receiver.await.is_err());
        assert!(shared.lock().closed);
        drop(go);
    }
}
