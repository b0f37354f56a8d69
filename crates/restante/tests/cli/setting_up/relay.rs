//! A line between client and server that can be held and cut in the middle of a session.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::spawn;
use std::time::Duration;

/// The line. It ends with this value.
pub(super) struct Relay {
    pub(super) port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    connections: AtomicUsize,
    ends: AtomicBool,
    next: Mutex<Option<Plan>>,
}

/// What is to happen to the next connection.
struct Plan {
    octets: usize,
    reached: Sender<()>,
    cut: Receiver<()>,
}

/// A connection that goes on until the server has said so many octets, and no further.
pub(super) struct Held {
    reached: Receiver<()>,
    cut: Sender<()>,
}

impl Held {
    /// Waits until the session is so far.
    pub(super) fn reached(&self) {
        self.reached
            .recv_timeout(Duration::from_secs(60))
            .expect("the session comes so far");
    }

    /// Cuts the connection.
    pub(super) fn cut(self) {
        // Who has gone already is cut as well.
        let _ = self.cut.send(());
    }
}

impl Relay {
    pub(super) fn to(server: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let (all, server) = (Arc::clone(&shared), server.to_owned());
        spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                if all.ends.load(Ordering::SeqCst) {
                    return;
                }
                all.connections.fetch_add(1, Ordering::SeqCst);
                let plan = all.next.lock().unwrap().take();
                let server = TcpStream::connect(&server).unwrap();
                spawn(move || pass(&client, &server, plan));
            }
        });
        Self { port, shared }
    }

    /// How many connections there have been.
    pub(super) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Holds the next connection when the server has said so many octets.
    pub(super) fn hold_after(&self, octets: usize) -> Held {
        let ((reached, is_reached), (cut, is_cut)) = (channel(), channel());
        *self.shared.next.lock().unwrap() = Some(Plan {
            octets,
            reached,
            cut: is_cut,
        });
        Held {
            reached: is_reached,
            cut,
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// Hands octets on in both directions until one side has gone, or the plan says so.
fn pass(client: &TcpStream, server: &TcpStream, plan: Option<Plan>) {
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let _ = down(client, server, plan);
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

fn down(mut client: &TcpStream, mut server: &TcpStream, plan: Option<Plan>) -> io::Result<()> {
    if let Some(plan) = &plan {
        let mut left = plan.octets;
        let mut buffer = [0; 4096];
        while left > 0 {
            let most = left.min(buffer.len());
            match server.read(&mut buffer[..most])? {
                0 => return Ok(()),
                octets => {
                    client.write_all(&buffer[..octets])?;
                    left -= octets;
                }
            }
        }
        // A test that has failed meanwhile has dropped its end.
        let _ = plan.reached.send(());
        let _ = plan.cut.recv();
        return Ok(());
    }
    io::copy(&mut server, &mut client).map(drop)
}
