//! A DNS server on loopback that answers from a table, over UDP and TCP, and can be hostile.
//!
//! Written to the octet (RFC 1035 §4.1), so that what it sends owes nothing to the library that
//! reads it.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

/// What is answered for a name and a type.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Txt(Vec<String>),
    A(Ipv4Addr),
    Mx(String),
    Cname(String),
    /// A response code and no record: 2 SERVFAIL, 3 NXDOMAIN.
    Code(u8),
    /// Over UDP a truncated answer, over TCP the whole.
    Truncated(String),
    /// Octets that are no DNS message.
    Garbage,
    /// Nothing at all.
    Silence,
}

pub(super) struct Dns {
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

/// A longer answer is truncated over UDP.
const UDP_OCTETS_MAX: usize = 1232;

const A: u16 = 1;
const CNAME: u16 = 5;
const MX: u16 = 15;
const TXT: u16 = 16;

impl Dns {
    /// Answers NXDOMAIN for all that is not in the table.
    pub(super) async fn new(table: &[(&str, Answer)]) -> Self {
        let table = table.iter().map(|(name, answer)| {
            let name = name.to_ascii_lowercase();
            (name, answer.clone())
        });
        let mut answers: HashMap<String, Vec<Answer>> = HashMap::new();
        for (name, answer) in table {
            answers.entry(name).or_default().push(answer);
        }
        let answers = Arc::new(answers);
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let (table, log) = (Arc::clone(&answers), Arc::clone(&asked));
        tokio::spawn(async move {
            let mut query = [0; 2048];
            while let Ok((len, client)) = udp.recv_from(&mut query).await {
                if let Some(reply) = reply(&query[..len], &table, &log, false) {
                    let _ = udp.send_to(&reply, client).await;
                }
            }
        });
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = tcp.accept().await {
                let (table, log) = (Arc::clone(&answers), Arc::clone(&log));
                tokio::spawn(async move {
                    while let Ok(len) = client.read_u16().await {
                        let mut query = vec![0; len.into()];
                        if client.read_exact(&mut query).await.is_err() {
                            return;
                        }
                        if let Some(reply) = reply(&query, &table, &log, true) {
                            let len = u16::try_from(reply.len()).unwrap();
                            let _ = client.write_u16(len).await;
                            let _ = client.write_all(&reply).await;
                        }
                    }
                });
            }
        });
        Self { address, asked }
    }

    /// The names that were asked for over UDP, in order.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn reply(
    query: &[u8],
    table: &HashMap<String, Vec<Answer>>,
    asked: &Mutex<Vec<String>>,
    tcp: bool,
) -> Option<Vec<u8>> {
    let (name, end) = read_name(query)?;
    let kind = u16::from_be_bytes([*query.get(end)?, *query.get(end + 1)?]);
    if !tcp {
        asked.lock().unwrap().push(name.clone());
    }
    let answers = table.get(&name).cloned();
    let answers = answers.unwrap_or_else(|| vec![Answer::Code(3)]);
    let (mut code, mut truncated, mut records) = (0, false, Vec::new());
    for answer in answers {
        match answer {
            Answer::Silence => return None,
            Answer::Garbage => return Some([&query[..2], &[0xff; 40]].concat()),
            Answer::Code(number) => code = number,
            Answer::Txt(texts) if kind == TXT => records.push((TXT, texts_of(&texts))),
            Answer::Truncated(text) if kind == TXT && tcp => {
                records.push((TXT, texts_of(&[text])));
            }
            Answer::Truncated(_) if kind == TXT => truncated = true,
            Answer::A(address) if kind == A => records.push((A, address.octets().to_vec())),
            Answer::Mx(host) if kind == MX => {
                records.push((MX, [&[0, 10], &*write_name(&host)].concat()));
            }
            Answer::Cname(host) => records.push((CNAME, write_name(&host))),
            _ => {}
        }
    }
    let mut reply = query[..2].to_vec();
    reply.extend([0x81 | if truncated { 2 } else { 0 }, 0x80 | code]);
    reply.extend([0, 1]);
    reply.extend(u16::try_from(records.len()).unwrap().to_be_bytes());
    reply.extend([0; 4]);
    reply.extend(&query[12..end + 4]);
    let octets: usize = records.iter().map(|(_, data)| 12 + data.len()).sum();
    if !tcp && reply.len() + octets > UDP_OCTETS_MAX {
        reply[2] |= 2;
        reply[6..8].fill(0);
        return Some(reply);
    }
    for (kind, data) in records {
        reply.extend([0xc0, 12]);
        reply.extend(kind.to_be_bytes());
        reply.extend([0, 1, 0, 0, 1, 0]);
        reply.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        reply.extend(data);
    }
    Some(reply)
}

/// The name of the question in lower case, and where it ends.
fn read_name(query: &[u8]) -> Option<(String, usize)> {
    let (mut labels, mut at) = (Vec::new(), 12);
    loop {
        let len = usize::from(*query.get(at)?);
        at += 1;
        if len == 0 {
            return Some((labels.join("."), at));
        }
        let label = query.get(at..at + len)?.to_ascii_lowercase();
        labels.push(String::from_utf8(label).ok()?);
        at += len;
    }
}

fn write_name(name: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    for label in name.split('.') {
        octets.push(u8::try_from(label.len()).unwrap());
        octets.extend(label.as_bytes());
    }
    octets.push(0);
    octets
}

/// Strings of at most 255 octets each.
fn texts_of(texts: &[String]) -> Vec<u8> {
    let mut data = Vec::new();
    for part in texts.iter().flat_map(|text| text.as_bytes().chunks(255)) {
        data.push(u8::try_from(part.len()).unwrap());
        data.extend(part);
    }
    data
}

/// One text record.
pub(super) fn txt(text: &str) -> Answer {
    Answer::Txt(vec![text.to_owned()])
}
