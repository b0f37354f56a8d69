//! The browser of this machine, which comes back to us by itself (RFC 8252 §7.3).
//!
//! We listen on 127.0.0.1 only, for as long as the login takes. Whoever else comes there gets a 404: other programs and other
//! people of this machine, and pages that the browser has open. What has not our `state` changes nothing, so
//! nobody can end or steal the login from there.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread::spawn;
use std::time::{Duration, Instant};

use oauth2::url::Url;
use zeroize::Zeroizing;

use super::OauthError;
use super::code::{Question, Reply, State};
use super::grant::Login;
use super::provider::{Provider, is_loopback};

/// Connections at once. Browsers open some ahead on which they say nothing.
const CONNECTION_COUNT_MAX: usize = 16;

/// For a browser to say what it wants, in all.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest request, header and all. Browsers send some 2,000 octets, a code can have as many.
const REQUEST_OCTETS_MAX: usize = 32 * 1024;

/// Between two looks whether somebody is there.
const LOOK: Duration = Duration::from_millis(20);

/// Logs in by the browser of this machine. `on_url` opens the address in it, or tells the person to. The browser comes
/// back to `port`, or to any free one if that is 0.
///
/// # Errors
///
/// When the port is taken, the person says no or takes too long, or the provider refuses.
pub fn login_loopback(
    provider: &Provider,
    port: u16,
    on_url: impl FnOnce(&str),
) -> Result<Login, OauthError> {
    let settings = provider.settings();
    let (at, path) = place(&settings.redirect, port)?;
    let failed = |source| OauthError::Listen {
        at: at.to_string(),
        source,
    };
    let listener = TcpListener::bind(at).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    let redirect = settings.redirect.replace("{port}", &port.to_string());
    let question = Question::new(provider, &redirect)?;
    let deadline = Instant::now() + settings.login_timeout;
    on_url(&question.address);
    let (asks, asked) = sync_channel(CONNECTION_COUNT_MAX);
    let mut open = 0;
    loop {
        if Instant::now() > deadline {
            return Err(OauthError::Expired);
        }
        while open < CONNECTION_COUNT_MAX {
            match listener.accept() {
                Ok((stream, _)) => {
                    let asks = asks.clone();
                    spawn(move || {
                        // Whatever comes of it, the place is given back.
                        let visit = Visit::of(stream).ok();
                        let _ = asks.send(visit);
                    });
                    open += 1;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // A connection that went away before we took it, or too many open files: both pass.
                Err(_) => break,
            }
        }
        let visit = match asked.recv_timeout(LOOK) {
            Ok(visit) => visit,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return Err(OauthError::Expired),
        };
        open -= 1;
        if let Some(reply) = visit.and_then(|visit| visit.answer(&question, &path)) {
            // Nobody comes here any more.
            drop(listener);
            return question.settle(reply);
        }
    }
}

/// Where to listen, and which path is ours.
fn place(redirect: &str, port: u16) -> Result<(SocketAddr, String), OauthError> {
    let wrong = |why: &str| OauthError::Refused(format!("the redirect {redirect} {why}"));
    let parsed =
        Url::parse(&redirect.replace("{port}", "1")).map_err(|_| wrong("is no address"))?;
    if parsed.scheme() != "http" || !is_loopback(&parsed) {
        return Err(wrong(
            "leads not to this machine; paste the address that the browser ends at",
        ));
    }
    let port = match redirect.contains("{port}") {
        true => port,
        false => parsed.port().unwrap_or(80),
    };
    Ok((
        SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        parsed.path().to_owned(),
    ))
}

/// One request of somebody who came.
struct Visit {
    stream: TcpStream,
    head: Zeroizing<Vec<u8>>,
}

impl Visit {
    /// Reads it up to the empty line; a body is nothing that we ask for.
    fn of(mut stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        let mut head = Zeroizing::new(Vec::with_capacity(REQUEST_OCTETS_MAX));
        let mut piece = Zeroizing::new([0; 4096]);
        while !head.windows(4).any(|it| it == b"\r\n\r\n") {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            stream.set_read_timeout(Some(left))?;
            let count = stream.read(&mut piece[..])?;
            if count == 0 || head.len() + count > REQUEST_OCTETS_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
            head.extend_from_slice(&piece[..count]);
        }
        Ok(Self { stream, head })
    }

    /// Answers it. What comes back is the answer to our question, if it is that.
    fn answer(mut self, question: &Question<'_>, path: &str) -> Option<Reply> {
        let (status, text, reply) = match query(&self.head, path) {
            None => ("404 Not Found", "There is nothing here.", None),
            Some(query) => match question.reply(query, State::Needed) {
                Ok(reply @ Reply::Code(_)) => ("200 OK", DONE, Some(reply)),
                Ok(reply @ Reply::Denied(_)) => ("200 OK", DENIED, Some(reply)),
                Err(_) => ("400 Bad Request", NOT_OURS, None),
            },
        };
        // A browser that does not listen any more has brought its answer all the same.
        let _ = self.say(status, text);
        reply
    }

    fn say(&mut self, status: &str, text: &str) -> io::Result<()> {
        let page = format!("<!DOCTYPE html><title>Restante</title><p>{text}</p>\n");
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n\
             Content-Security-Policy: default-src 'none'\r\nConnection: close\r\n\r\n{page}",
            page.len()
        );
        self.stream
            .set_write_timeout(Some(Duration::from_secs(2)))?;
        self.stream.write_all(answer.as_bytes())?;
        self.stream.shutdown(Shutdown::Write)
    }
}

/// The query of a request for our path, if it is one.
fn query<'head>(head: &'head [u8], path: &str) -> Option<&'head str> {
    let line = head.split(|&octet| octet == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let target = line.strip_prefix("GET ")?;
    let (target, _) = target.split_once(" HTTP/1.")?;
    let (at, query) = target.split_once('?')?;
    (at == path).then_some(query)
}

const DONE: &str = "The answer has arrived; you may close this window.";
const DENIED: &str = "The login was refused; you may close this window.";
const NOT_OURS: &str = "This is not the answer to the login that runs here.";
