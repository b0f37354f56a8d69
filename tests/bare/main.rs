//! A server that gives every command the same answer: what a session costs whose server does nothing.
//! One thread, one wait for whoever has something to say; no logins, no mail.
//!
//! `bare PORT [ANSWER]` listens there on loopback until it is ended. A command is what one read brings, so a
//! client must not send two at once.

#![allow(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on shall say so"
)]

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

fn main() {
    let mut words = std::env::args().skip(1);
    let Some(port) = words.next().and_then(|word| word.parse::<u16>().ok()) else {
        return eprintln!("bare PORT [ANSWER]");
    };
    let answer = words.next().unwrap_or_else(|| "+OK".to_owned());
    serve(
        &TcpListener::bind(("127.0.0.1", port)).unwrap(),
        format!("{answer}\r\n").as_bytes(),
    )
    .unwrap();
}

fn serve(listener: &TcpListener, answer: &[u8]) -> io::Result<()> {
    const LISTENER: u64 = 0;
    let waiting = epoll::create(CreateFlags::CLOEXEC)?;
    let watch = |socket: &dyn rustix::fd::AsFd, id| {
        epoll::add(&waiting, socket, EventData::new_u64(id), EventFlags::IN)
    };
    watch(listener, LISTENER)?;
    let mut clients = HashMap::<u64, TcpStream>::new();
    let mut events = Vec::with_capacity(64);
    for id in LISTENER + 1.. {
        epoll::wait(&waiting, spare_capacity(&mut events), None)?;
        for event in events.drain(..) {
            match event.data.u64() {
                LISTENER => {
                    let (mut client, _) = listener.accept()?;
                    client.write_all(answer)?;
                    watch(&client, id)?;
                    clients.insert(id, client);
                }
                id => {
                    let client = clients.get_mut(&id).unwrap();
                    if !is_answered(client, answer) {
                        clients.remove(&id);
                    }
                }
            }
        }
    }
    Ok(())
}

/// Answers what a client has said; whether it has more to say.
fn is_answered(client: &mut TcpStream, answer: &[u8]) -> bool {
    let mut said = [0; 512];
    let said = match client.read(&mut said) {
        Ok(octets) => &said[..octets],
        Err(_) => return false,
    };
    let goes_on = !said.is_empty() && !said.eq_ignore_ascii_case(b"QUIT\r\n");
    (said.is_empty() || client.write_all(answer).is_ok()) && goes_on
}
