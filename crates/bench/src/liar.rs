//! A POP3 server for tests, which tells the truth or lies as it is told to.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use pop3::wire::{TERMINATOR, TopCut, stuff};
use sasl::Secret;

use crate::target::Target;
use crate::transport::Transport;

/// What becomes of an answer before it is sent: the command, and the true answer to it.
type Lie = dyn Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync;

/// A target whose server has these messages and lies so. It serves until the tests end.
pub(crate) fn liar(
    messages: Vec<Vec<u8>>,
    lie: impl Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync + 'static,
) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let maildrop = Arc::new(Maildrop {
        messages,
        lie: Box::new(lie),
        drained: AtomicBool::new(false),
    });
    thread::spawn(move || {
        for stream in listener.incoming() {
            let maildrop = Arc::clone(&maildrop);
            // A client that has heard enough hangs up.
            thread::spawn(move || maildrop.serve(stream.unwrap()).unwrap_or_default());
        }
    });
    target(address)
}

/// An honest one.
pub(crate) fn honest(messages: Vec<Vec<u8>>) -> Target {
    liar(messages, |_, answer| answer)
}

fn target(address: SocketAddr) -> Target {
    Target {
        address,
        transport: Transport::Plain,
        users: vec!["bob".to_owned()],
        password: Secret::new("redqueen"),
        sources: 0,
        patience: Duration::from_millis(500),
    }
}

struct Maildrop {
    messages: Vec<Vec<u8>>,
    lie: Box<Lie>,
    drained: AtomicBool,
}

impl Maildrop {
    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut input = BufReader::new(stream.try_clone()?);
        let mut output = stream;
        let mut deleted = 0;
        output.write_all(&(self.lie)("", b"+OK ready\r\n".to_vec()))?;
        loop {
            let mut line = String::new();
            if input.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let command = line.trim_end();
            let quits = command == "QUIT";
            if command.starts_with("DELE") {
                deleted += 1;
            }
            if quits && deleted == self.messages.len() {
                self.drained.store(true, Ordering::Relaxed);
            }
            output.write_all(&(self.lie)(command, self.answer(command)))?;
            if quits {
                return Ok(());
            }
        }
    }

    fn answer(&self, command: &str) -> Vec<u8> {
        let messages = match self.drained.load(Ordering::Relaxed) {
            true => &[][..],
            false => &self.messages[..],
        };
        let mut words = command.split(' ');
        let keyword = words.next().unwrap();
        let mut number = || words.next().unwrap().parse::<usize>().unwrap();
        let listing = |line: &dyn Fn(usize, &[u8]) -> String| {
            let lines = messages.iter().enumerate();
            let lines: String = lines.map(|(nth, text)| line(nth + 1, text)).collect();
            format!("+OK\r\n{lines}.\r\n").into_bytes()
        };
        match keyword {
            "STAT" => {
                let octets: usize = messages.iter().map(Vec::len).sum();
                format!("+OK {} {octets}\r\n", messages.len()).into_bytes()
            }
            "LIST" => listing(&|number, text| format!("{number} {}\r\n", text.len())),
            "CAPA" => b"-ERR what is that?\r\n".to_vec(),
            "UIDL" => listing(&|number, _| format!("{number} id-{number}\r\n")),
            "RETR" => multi_line(&messages[number() - 1]),
            "TOP" => {
                let text = &messages[number() - 1];
                let body = memchr::memmem::find(text, b"\r\n\r\n").unwrap() + 4;
                let lines = TopCut::new(number() as u64).cut(&text[body..]);
                multi_line(&text[..body + lines])
            }
            _ => b"+OK\r\n".to_vec(),
        }
    }
}

fn multi_line(text: &[u8]) -> Vec<u8> {
    let mut answer = b"+OK\r\n".to_vec();
    stuff(text, &mut answer);
    answer.extend_from_slice(TERMINATOR);
    answer
}
