//! The inner process: records workloads, cuts the power, judges, and says what came of it.

use std::fs;
use std::io;
use std::iter;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::Arguments;
use crate::files::Which;
use crate::history::History;
use crate::judge::{Judge, Verdict, data};
use crate::loss::{Cut, Loss};
use crate::program::Program;
use crate::steer::Steer;
use crate::sum::Sum;
use crate::volume::{Kind, Volume};
use crate::workload::Workload;

/// Most images from one recording.
const IMAGES_PER_RECORDING: usize = 150;
/// Steps of a recording: so many for a few images, and more for many.
const STEPS_MIN: usize = 40;
const STEPS_MAX: usize = 120;
/// Violations that are shown before a run gives up.
const VIOLATIONS_MAX: usize = 10;
/// Writes before a flush that make it a likelier place of a cut.
const WEIGHT_MAX: usize = 8;
/// How many flushes a lying disk forgets at most.
const LIES_MAX: u32 = 12;

/// A run inside the namespaces.
pub(crate) struct Run<'a> {
    arguments: &'a Arguments,
    steer: Steer,
    /// Its own directory, with the disks below it.
    directory: PathBuf,
    seed: u64,
    began: Instant,
    sum: Sum,
}

impl<'a> Run<'a> {
    /// A run in a directory.
    pub(crate) fn new(arguments: &'a Arguments, steer: Steer, directory: &Path) -> Self {
        Self {
            arguments,
            steer,
            directory: directory.to_owned(),
            seed: arguments.seed.unwrap_or_else(|| fastrand::u64(..1 << 32)),
            began: Instant::now(),
            sum: Sum::default(),
        }
    }

    /// All images of these kinds of file systems; returns how many checks passed and failed.
    ///
    /// # Errors
    ///
    /// When the rig itself fails.
    pub(crate) fn all(mut self, wanted: &[(Kind, usize)]) -> io::Result<(usize, usize)> {
        println!("  seed {} (again: --seed {0})", self.seed);
        let mut number = 0;
        for (kind, images) in wanted {
            let mut left = *images;
            while left > 0 && self.in_time() && self.sum.violations < VIOLATIONS_MAX {
                let images = left.min(IMAGES_PER_RECORDING);
                self.recording(*kind, number, images)?;
                left -= images;
                number += 1;
            }
        }
        let wanted = wanted.iter().map(|(_, images)| images).sum();
        Ok(self.told(wanted))
    }

    fn in_time(&self) -> bool {
        let seconds = self.arguments.seconds.map(Duration::from_secs);
        seconds.is_none_or(|seconds| self.began.elapsed() < seconds)
    }

    /// One workload on a fresh file system, and images of its disk.
    fn recording(&mut self, kind: Kind, number: u64, images: usize) -> io::Result<()> {
        let mut dice = Rng::with_seed(self.seed ^ (number + 1).rotate_left(40));
        let seed = dice.u64(..1 << 53);
        let began = Instant::now();
        let history = self.recorded(kind, seed, images)?;
        let recorded = began.elapsed();
        let flushes = self.steer.flushes(Which::Live)?;
        let position = self.steer.position(Which::Live)?;
        if flushes.is_empty() {
            return Err(io::Error::other("no flush has come through to the disk"));
        }
        println!(
            "  {kind}, recording {number}: {} writes, {} flushes, {} promises in {:.1} s",
            position - flushes.len(),
            flushes.len(),
            history.promised_at().len(),
            recorded.as_secs_f64()
        );
        let cuts = self.cuts(&mut dice, &history, &flushes, position, images);
        let directory = self.directory.join("crashed");
        let judge = Judge {
            steer: &self.steer,
            kind,
            disk: self.directory.join("disks").join(Which::Crashed.name()),
            data: data(&directory),
            directory,
        };
        let began = Instant::now();
        let mut sum = Sum {
            recordings: 1,
            flushes: flushes.len(),
            writes: position - flushes.len(),
            ends: history.ends(),
            recording: recorded,
            ..Sum::default()
        };
        for cut in cuts {
            if !self.in_time() || sum.violations >= VIOLATIONS_MAX {
                break;
            }
            let verdict = judge.judge(&history, seed, cut)?;
            sum.add(&verdict);
            if let Some(broken) = &verdict.broken {
                self.violated(kind, number, cut, &verdict, broken, &history)?;
            }
        }
        sum.judging = began.elapsed();
        self.sum.merge(&sum);
        Ok(())
    }

    /// Plays a workload; afterwards the disk holds its log.
    fn recorded(&mut self, kind: Kind, seed: u64, images: usize) -> io::Result<History> {
        let disk = self.directory.join("disks").join(Which::Live.name());
        let directory = self.directory.join("live");
        self.steer.insert(Which::Live, kind.octets())?;
        kind.make(&disk)?;
        let volume = Volume::mount(kind, &disk, &directory)?;
        let data = data(volume.path());
        let program = Program::new(&self.arguments.program()?, &self.directory, &data)?;
        let workload = Workload::new(&program, &self.steer, &data, seed)?;
        self.steer.record(Which::Live)?;
        let steps = (images / 2).clamp(STEPS_MIN, STEPS_MAX);
        workload.play(steps, volume.path())?;
        // What comes now is not part of the history.
        let end = self.steer.position(Which::Live)?;
        let (history, broken) = workload.end()?;
        for what in broken {
            self.sum.violations += 1;
            println!("  FAILED {kind}, workload seed {seed}: {what}");
        }
        self.steer.stop(Which::Live, end)?;
        volume.unmount()?;
        Ok(history)
    }

    /// Where and how the power is cut, in the order of the log: at flushes and just before them,
    /// just behind promises, anywhere.
    fn cuts(
        &self,
        dice: &mut Rng,
        history: &History,
        flushes: &[usize],
        end: usize,
        images: usize,
    ) -> Vec<Cut> {
        let promises = history.promised_at();
        // Where much was waiting for a flush, there is much to lose.
        let mut begin = 0;
        let mut windows = Vec::new();
        for end in flushes {
            windows.extend(iter::repeat_n(*end, (end - begin - 1).min(WEIGHT_MAX)));
            begin = *end;
        }
        let mut cuts: Vec<Cut> = (0..images)
            .map(|_| {
                let flush = dice.choice(&windows).copied().unwrap_or(end);
                let promise = dice.choice(&promises).copied().unwrap_or(end);
                let (position, loss) = match dice.u8(..10) {
                    // Everything before a flush and the flush itself.
                    0..2 => (flush, Loss::Nothing),
                    // The flush was asked for, and is not done.
                    2..7 => (flush - 1, Loss::honest(dice)),
                    7..9 => (promise, Loss::honest(dice)),
                    _ => (dice.usize(..=end), Loss::honest(dice)),
                };
                let (position, loss) = match self.arguments.lying_disk {
                    true => (promise, Loss::Lie(dice.u32(1..=LIES_MAX))),
                    false => (position, loss),
                };
                Cut {
                    position,
                    loss,
                    seed: dice.u64(..),
                }
            })
            .collect();
        cuts.sort_unstable_by_key(|cut| cut.position);
        cuts
    }

    fn violated(
        &self,
        kind: Kind,
        number: u64,
        cut: Cut,
        verdict: &Verdict,
        broken: &str,
        history: &History,
    ) -> io::Result<()> {
        let again = verdict.again.map(|cut| format!(", again at {cut}"));
        let again = again.unwrap_or_default();
        if self.arguments.lying_disk {
            println!("  found  {kind}, {cut}{again}: {broken}");
            return Ok(());
        }
        let place = self.arguments.target()?.join("violations");
        fs::create_dir_all(&place)?;
        let name = format!("{}-{number}-{}-{}", self.seed, cut.position, cut.seed);
        let image = place.join(format!("{name}.{kind}"));
        self.steer.save(&image)?;
        let told = format!("{kind}, {cut}{again}: {broken}\n\n{history:#?}\n");
        fs::write(place.join(format!("{name}.txt")), told)?;
        println!(
            "  FAILED {kind}, seed {}, recording {number}, {cut}{again}: {broken}",
            self.seed
        );
        println!(
            "         the image, before its recovery: {}",
            image.display()
        );
        Ok(())
    }

    /// Prints the figures, and judges the run itself.
    fn told(&self, wanted: usize) -> (usize, usize) {
        let sum = &self.sum;
        println!("{sum}; {:.0} s in all", self.began.elapsed().as_secs_f64());
        if self.arguments.lying_disk {
            println!(
                "  lying disk: {} of {} images lost what was promised",
                sum.violations, sum.images
            );
            return match sum.violations {
                0 => {
                    println!("  FAILED a disk that lies was not found out");
                    (0, 1)
                }
                _ => (1, 0),
            };
        }
        let mut failed = sum.violations;
        let passed = sum.images.saturating_sub(failed);
        println!(
            "  a file that nobody synced: lost in {} images",
            sum.unsynced_lost
        );
        if sum.unsynced_lost == 0 {
            println!("  FAILED no image has lost what nobody synced: the rig sees no loss");
            failed += 1;
        }
        if sum.images < wanted && sum.violations < VIOLATIONS_MAX {
            println!(
                "  FAILED only {} of {wanted} images fitted into the time",
                sum.images
            );
            failed += 1;
        }
        (passed, failed)
    }
}
