//! How the process that runs the workload steers the one that holds the disks: a line each way.
//!
//! They are two processes because of a deadlock: were the one that answers FUSE killed while one
//! of its own threads waited for a file system on top, the kernel would wait for both for ever.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::disk::Disk;
use crate::files::{Disks, Which};
use crate::loss::{Cut, Left};
use crate::recorder::Recorder;

/// Answers until the other side is gone.
pub(crate) fn answer(disks: &Disks, stream: UnixStream) -> io::Result<()> {
    let mut out = stream.try_clone()?;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let answer = done(disks, &words).unwrap_or_else(|error| format!("error {error}"));
        writeln!(out, "{answer}")?;
    }
    Ok(())
}

fn done(disks: &Disks, words: &[&str]) -> Result<String, String> {
    let which = |name: &str| Which::named(name).ok_or_else(|| format!("no disk {name}"));
    Ok(match words {
        ["insert", name, octets] => {
            *disks.of(which(name)?) = Recorder::new(Disk::new(number(octets)?));
            String::new()
        }
        ["record", name] => {
            disks.of(which(name)?).record();
            String::new()
        }
        ["stop", name, position] => {
            disks.of(which(name)?).stop(number(position)?);
            String::new()
        }
        ["position", name] => disks.of(which(name)?).position().to_string(),
        ["flushes", name] => {
            let flushes = disks.of(which(name)?).flushes();
            let words: Vec<_> = flushes.iter().map(usize::to_string).collect();
            words.join(" ")
        }
        ["cut", name, position, loss, seed] => {
            let cut = Cut {
                position: number(position)?,
                loss: loss.parse()?,
                seed: number(seed)?,
            };
            let (disk, left) = disks.of(which(name)?).cut(cut);
            *disks.of(Which::Crashed) = Recorder::new(disk);
            format!("{} {} {}", left.unflushed, left.lost, left.torn)
        }
        ["save", path] => {
            let disk = disks.of(Which::Crashed).base().clone();
            disk.save(Path::new(path))
                .map_err(|error| error.to_string())?;
            String::new()
        }
        _ => return Err(format!("cannot {words:?}")),
    })
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("{word:?} is no number"))
}

/// The other side: asks, and waits for the answer. Any thread may.
pub(crate) struct Steer {
    stream: Mutex<BufReader<UnixStream>>,
}

impl Steer {
    /// Over a stream whose other end is [`answer`]ed.
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self {
            stream: Mutex::new(BufReader::new(stream)),
        }
    }

    fn ask(&self, question: &str) -> io::Result<String> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(stream.get_mut(), "{question}")?;
        let mut answer = String::new();
        if stream.read_line(&mut answer)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let answer = answer.trim_end_matches('\n');
        match answer.strip_prefix("error ") {
            Some(error) => Err(io::Error::other(format!("{question}: {error}"))),
            None => Ok(answer.to_owned()),
        }
    }

    /// Replaces a disk by an empty one.
    ///
    /// # Errors
    ///
    /// When the other process is gone, as with everything else here.
    pub(crate) fn insert(&self, which: Which, octets: u64) -> io::Result<()> {
        let question = format!("insert {} {octets}", which.name());
        self.ask(&question).map(drop)
    }

    /// Begins the log of a disk anew.
    pub(crate) fn record(&self, which: Which) -> io::Result<()> {
        self.ask(&format!("record {}", which.name())).map(drop)
    }

    /// Forgets what a disk has seen beyond a position, and remembers nothing from now on.
    pub(crate) fn stop(&self, which: Which, position: usize) -> io::Result<()> {
        let question = format!("stop {} {position}", which.name());
        self.ask(&question).map(drop)
    }

    /// How many writes and flushes a disk has seen.
    pub(crate) fn position(&self, which: Which) -> io::Result<usize> {
        numbers(&self.ask(&format!("position {}", which.name()))?)
            .map(|numbers: [usize; 1]| numbers[0])
    }

    /// The positions right behind each flush.
    pub(crate) fn flushes(&self, which: Which) -> io::Result<Vec<usize>> {
        let answer = self.ask(&format!("flushes {}", which.name()))?;
        answer
            .split_whitespace()
            .map(|word| word.parse().map_err(io::Error::other))
            .collect()
    }

    /// Cuts the power under a disk; what is left of it is the crashed disk from now on.
    pub(crate) fn cut(&self, which: Which, cut: Cut) -> io::Result<Left> {
        let Cut {
            position,
            loss,
            seed,
        } = cut;
        let answer = self.ask(&format!("cut {} {position} {loss} {seed}", which.name()))?;
        let [unflushed, lost, torn] = numbers(&answer)?;
        Ok(Left {
            unflushed,
            lost,
            torn,
        })
    }

    /// Writes the crashed disk, as the power cut left it, into a file.
    pub(crate) fn save(&self, path: &Path) -> io::Result<()> {
        self.ask(&format!("save {}", path.display())).map(drop)
    }
}

fn numbers<const N: usize>(text: &str) -> io::Result<[usize; N]> {
    let numbers: Vec<usize> = text
        .split_whitespace()
        .map_while(|word| word.parse().ok())
        .collect();
    numbers
        .try_into()
        .map_err(|_| io::Error::other(format!("{text:?} is not {N} numbers")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::Loss;

    #[test]
    fn one_side_asks_and_the_other_answers() {
        let disks = Disks::default();
        let (here, there) = UnixStream::pair().unwrap();
        let host = std::thread::spawn({
            let disks = disks.clone();
            move || answer(&disks, there)
        });
        let steer = Steer::new(here);
        steer.insert(Which::Live, 8192).unwrap();
        disks.of(Which::Live).write(0, &[7; 4096]).unwrap();
        disks.of(Which::Live).flush();
        disks.of(Which::Live).write(4096, &[7; 4096]).unwrap();
        assert_eq!(steer.position(Which::Live).unwrap(), 3);
        assert_eq!(steer.flushes(Which::Live).unwrap(), [2]);
        let cut = Cut {
            position: 3,
            loss: Loss::Unflushed,
            seed: 0,
        };
        let left = steer.cut(Which::Live, cut).unwrap();
        assert_eq!((left.unflushed, left.lost), (1, 1));
        assert_eq!(disks.of(Which::Crashed).disk().read(4095, 2), [7, 0]);
        steer.record(Which::Live).unwrap();
        assert_eq!(steer.position(Which::Live).unwrap(), 0);
        assert!(steer.ask("dance").is_err());
        drop(steer);
        host.join().unwrap().unwrap();
    }
}
