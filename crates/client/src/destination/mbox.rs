//! An mbox (mboxrd): messages one behind the other in a file that other programs write as well.
//!
//! Messages gather in a file beside the ledger, the stage, and go into the mbox together, under its dotlock and its fcntl lock. The
//! stage says where, and is durable before the mbox is touched, so what a crash has torn is completed from it. Whatever has become
//! of the mbox meanwhile: when the last session was not ended in order, the messages that are in it are known by what they hold, and
//! are not written again. Lines in which programs take notes (Status and the like) do not count for that.

mod doubt;
mod lock;
mod quote;
mod stage;

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::account::Headers;
use crate::date::Moment;
use crate::destination::{Destination, Ended, Exactness, Message, NotDelivered, Text};

use doubt::Present;
use lock::Locked;
use quote::Quoter;
use stage::Stage;

/// An mbox that mail is fetched into.
#[derive(Debug)]
pub struct Mbox {
    path: PathBuf,
    stage_path: PathBuf,
    name: String,
    stage: Option<Stage>,
    /// Messages that were taken cannot be delivered any more.
    is_broken: bool,
    /// What is in it, if the last session has left any in doubt.
    present: Present,
}

impl Mbox {
    /// That file; it is made if it is not there. `stage` is a file of our own on a disk that stays.
    pub fn new(path: &Path, stage: &Path) -> Self {
        Self {
            path: path.to_owned(),
            stage_path: stage.to_owned(),
            name: super::word("mbox", &path.display().to_string()),
            stage: None,
            is_broken: false,
            present: Present::default(),
        }
    }

    fn failed(&self, error: &io::Error) -> NotDelivered {
        match error.kind() {
            io::ErrorKind::TimedOut => NotDelivered::NotNow(error.to_string()),
            _ => NotDelivered::io(self.path.display(), error),
        }
    }

    fn file(&self) -> io::Result<File> {
        let existed = self.path.exists();
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&self.path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        if !existed {
            let parent = self.path.parent().filter(|it| !it.as_os_str().is_empty());
            File::open(parent.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
        }
        Ok(file)
    }

    /// Completes what a crash has torn, if the file is still what it was.
    fn recover(&self) -> io::Result<()> {
        let Some(mut stage) = Stage::left(&self.stage_path)? else {
            return Ok(());
        };
        let mut locked = Locked::take(&self.path, self.file()?)?;
        let file = &mut locked.file;
        if let Some(from) = stage.missing_in(file)? {
            stage.copy(from, file)?;
            file.sync_all()?;
        }
        drop(locked);
        stage.remove()
    }

    fn begin(&mut self, ended: Ended) -> io::Result<()> {
        self.recover()?;
        self.present = match ended {
            Ended::InDoubt => Present::of(&mut self.file()?)?,
            Ended::InOrder => Present::default(),
        };
        self.stage = Some(Stage::create(&self.stage_path)?);
        Ok(())
    }

    fn put(&mut self, text: &mut Text) -> io::Result<()> {
        let stage = self
            .stage
            .as_mut()
            .ok_or_else(|| io::Error::other("it is not open"))?;
        if self.present.take(text)? {
            return Ok(());
        }
        let mark = stage.mark();
        let written = write(stage, text);
        if written.is_err() && stage.back_to(mark).is_err() {
            // Then nothing of it can be used, and all that was in it comes again.
            self.stage = None;
            self.is_broken = true;
        }
        written
    }

    fn append(&mut self) -> io::Result<()> {
        let Some(mut stage) = self.stage.take().filter(|stage| !stage.is_empty()) else {
            return Ok(());
        };
        let mut locked = Locked::take(&self.path, self.file()?)?;
        let file = &mut locked.file;
        let end = file.seek(SeekFrom::End(0))?;
        stage.seal(end, glue(file, end)?)?;
        let appended = stage.copy(0, file).and_then(|()| file.sync_all());
        if let Err(error) = appended {
            // Nothing of it is to be there; if that fails too, the stage tells the next session.
            if file.set_len(end).and_then(|()| file.sync_all()).is_ok() {
                stage.remove()?;
            }
            return Err(error);
        }
        drop(locked);
        stage.remove()?;
        self.stage = Some(Stage::create(&self.stage_path)?);
        Ok(())
    }
}

impl Destination for Mbox {
    fn name(&self) -> &str {
        &self.name
    }

    fn exactness(&self) -> Exactness {
        Exactness::Once
    }

    fn headers(&self) -> Headers {
        Headers::Utf8
    }

    fn open(&mut self, ended: Ended) -> Result<(), NotDelivered> {
        self.begin(ended).map_err(|error| self.failed(&error))
    }

    fn holds_mail(&self) -> Option<bool> {
        Some(std::fs::metadata(&self.path).is_ok_and(|file| file.len() > 0))
    }

    fn deliver(&mut self, _: &Message, text: &mut Text) -> Result<(), NotDelivered> {
        self.put(text).map_err(|error| self.failed(&error))
    }

    fn commit(&mut self) -> Result<(), NotDelivered> {
        if self.is_broken {
            let error = io::Error::other("what was to be written to it is not whole");
            return Err(self.failed(&error));
        }
        if self.stage.is_none() {
            return Ok(());
        }
        self.append().map_err(|error| self.failed(&error))
    }
}

impl Drop for Mbox {
    /// What was never committed is nothing.
    fn drop(&mut self) {
        if let Some(stage) = self.stage.take() {
            let _ = stage.remove();
        }
    }
}

/// Writes a message, with the line before it and the empty line behind it.
fn write(stage: &mut Stage, text: &mut Text) -> io::Result<()> {
    stage.write(postmark(text.header()).as_bytes())?;
    let mut quoter = Quoter::default();
    text.pieces(super::Form::Local, |piece| {
        quoter.take(piece, &mut |octets| stage.write(octets))
    })?;
    quoter.end(&mut |octets| stage.write(octets))
}

/// What must stand between what is there and a postmark: an empty line.
fn glue(file: &mut File, end: u64) -> io::Result<&'static [u8]> {
    let mut last = [b'\n'; 2];
    let octets = usize::try_from(end.min(2)).unwrap_or(2);
    file.seek(SeekFrom::Start(end - octets as u64))?;
    file.read_exact(&mut last[2 - octets..])?;
    Ok(match last {
        _ if end == 0 => b"",
        [b'\n', b'\n'] => b"",
        [_, b'\n'] => b"\n",
        _ => b"\n\n",
    })
}

/// The line before a message, with the sender that its Return-Path names.
fn postmark(header: &[u8]) -> String {
    let sender = header
        .split(|&octet| octet == b'\n')
        .next()
        .and_then(|line| str::from_utf8(line).ok()?.trim().split_once(':'))
        .filter(|(name, _)| name.eq_ignore_ascii_case("Return-Path"))
        .map(|(_, value)| value.trim().trim_matches(['<', '>']))
        .filter(|it| {
            !it.is_empty() && it.len() < 300 && it.bytes().all(|octet| octet.is_ascii_graphic())
        });
    let sender = sender.unwrap_or("MAILER-DAEMON");
    match Moment::of(SystemTime::now()) {
        Some(now) => format!(
            "From {sender} {} {} {:2} {:02}:{:02}:{:02} {:04}\n",
            now.weekday, now.month, now.day, now.hour, now.minute, now.second, now.year
        ),
        None => format!("From {sender} Thu Jan  1 00:00:00 1970\n"),
    }
}

#[cfg(test)]
mod tests;
