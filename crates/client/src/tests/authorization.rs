//! An authorisation server on loopback that looks closely: codes once, PKCE, the redirect octet by octet, refresh tokens that
//! are replaced with each use, and a login that ends when an old one comes again (RFC 6749, 7009, 7636, 8628, 9700).
//!
//! It uses nothing of this crate, so that other tests can include the file.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use sha2::{Digest as _, Sha256};

/// The parameters of a request, or of an address.
pub(crate) type Parameters = BTreeMap<String, String>;

/// What the server does with a request instead of answering it properly.
#[derive(Clone, Debug)]
pub(crate) enum Misbehaviour {
    /// This status, type and text.
    Says(u16, &'static str, String),
    /// A redirect to this address.
    SendsTo(String),
    /// A reply that never ends.
    Endless,
    /// An octet now and then, for ever.
    Drips,
    /// Nothing at all, with the connection open.
    Silent,
    /// Octets that are no HTTP.
    NoHttp,
    /// It does what was asked, and the reply is lost.
    LosesReply,
}

/// What the server knows and does. Tests change it as they go on.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) client_id: String,
    pub(crate) client_secret: Option<String>,
    /// Where a browser may be sent; the port of a loopback address may be any (RFC 8252 §7.3).
    pub(crate) redirect: String,
    /// Seconds that an access token is good, as replies say it.
    pub(crate) lifetime: Option<u64>,
    /// Whether a refresh token is good once only.
    pub(crate) rotates: bool,
    /// Whether a login gets a refresh token at all.
    pub(crate) refreshes: bool,
    /// What each question for a device's tokens is answered with; when there is no more, tokens.
    pub(crate) device: VecDeque<&'static str>,
    /// Seconds that a device code is good, and between two questions.
    pub(crate) device_times: (u64, u64),
    /// Whether the person says yes in the browser.
    pub(crate) person_agrees: bool,
    /// What the next requests get; None is a proper answer.
    pub(crate) next: VecDeque<Option<Misbehaviour>>,
    /// Every request: its path and parameters.
    pub(crate) asked: Vec<(String, Parameters)>,
    /// What an access token is; `access-1` and so on unless a test has a mail server that reads it.
    pub(crate) mint: Mint,
    codes: BTreeMap<String, Code>,
    logins: Vec<Login>,
    issued: u64,
}

/// Makes the access token of a number that no other has.
pub(crate) struct Mint(pub(crate) Box<dyn Fn(u64) -> String + Send>);

impl fmt::Debug for Mint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mint")
    }
}

/// A code that a browser carries.
#[derive(Debug)]
struct Code {
    redirect: String,
    challenge: String,
    scope: String,
    /// The login that was made of it.
    used: Option<usize>,
}

/// What a person agreed to.
#[derive(Debug)]
struct Login {
    scope: String,
    /// The one that is good.
    refresh: Option<String>,
    old_refresh: Vec<String>,
    access: Vec<String>,
    revoked: bool,
}

/// The server. It ends with this value.
#[derive(Debug)]
pub(crate) struct AuthorizationServer {
    pub(crate) port: u16,
    scheme: &'static str,
    state: Arc<Mutex<State>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl AuthorizationServer {
    pub(crate) fn start() -> Self {
        Self::start_with(None)
    }

    /// One that speaks HTTPS.
    pub(crate) fn start_tls(tls: Arc<ServerConfig>) -> Self {
        Self::start_with(Some(tls))
    }

    fn start_with(tls: Option<Arc<ServerConfig>>) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State {
            client_id: "us".to_owned(),
            client_secret: None,
            redirect: "http://127.0.0.1/".to_owned(),
            lifetime: Some(3600),
            rotates: true,
            refreshes: true,
            device: VecDeque::new(),
            device_times: (900, 5),
            person_agrees: true,
            next: VecDeque::new(),
            asked: Vec::new(),
            mint: Mint(Box::new(|number| format!("access-{number}"))),
            codes: BTreeMap::new(),
            logins: Vec::new(),
            issued: 0,
        }));
        let ends = Arc::new(AtomicBool::new(false));
        let thread = {
            let (state, ends) = (Arc::clone(&state), Arc::clone(&ends));
            spawn(move || {
                while let Ok((stream, _)) = listener.accept() {
                    if ends.load(Ordering::SeqCst) {
                        return;
                    }
                    let (state, ends) = (Arc::clone(&state), Arc::clone(&ends));
                    let tls = tls.clone();
                    // What goes wrong with a connection is seen by who made it.
                    spawn(move || {
                        let patience = Some(Duration::from_secs(20));
                        stream.set_read_timeout(patience).unwrap();
                        stream.set_write_timeout(patience).unwrap();
                        match tls {
                            None => serve(&mut &stream, port, &state, &ends),
                            Some(tls) => {
                                let inside = ServerConnection::new(tls).unwrap();
                                let mut stream = StreamOwned::new(inside, stream);
                                serve(&mut stream, port, &state, &ends);
                                stream.conn.send_close_notify();
                                let _ = stream.flush();
                            }
                        }
                    });
                }
            })
        };
        Self {
            port,
            scheme,
            state,
            ends,
            thread: Some(thread),
        }
    }

    /// The address of one of its endpoints: `authorize`, `token`, `device` or `revoke`.
    pub(crate) fn url(&self, endpoint: &str) -> String {
        format!("{}://localhost:{}/{endpoint}", self.scheme, self.port)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Whether a mail server that asks it lets this access token in.
    pub(crate) fn accepts(&self, access: &str) -> bool {
        let state = self.state();
        let mut logins = state.logins.iter();
        logins.any(|login| !login.revoked && login.access.iter().any(|it| it == access))
    }

    /// Lets nobody in any more with the access tokens of before; refresh tokens stay good.
    pub(crate) fn expire_access(&self) {
        for login in &mut self.state().logins {
            login.access.clear();
        }
    }

    /// Ends every login, as a person does in his account.
    pub(crate) fn revoke_all(&self) {
        for login in &mut self.state().logins {
            login.revoked = true;
        }
    }

    /// How many logins there are that have not ended.
    pub(crate) fn live_logins(&self) -> usize {
        let state = self.state();
        state.logins.iter().filter(|login| !login.revoked).count()
    }

    /// How many requests an endpoint got.
    pub(crate) fn asked(&self, endpoint: &str) -> usize {
        let state = self.state();
        let asked = state.asked.iter();
        asked.filter(|(path, _)| path[1..] == *endpoint).count()
    }
}

impl Drop for AuthorizationServer {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A browser that opens an address, with a person who agrees to everything: where it is sent to.
pub(crate) fn browse(address: &str) -> String {
    let (head, _) = get(address);
    let location = head
        .lines()
        .find_map(|line| line.strip_prefix("location: "));
    location
        .unwrap_or_else(|| panic!("no redirect: {head}"))
        .to_owned()
}

/// A browser that opens an address of this machine: the header, and the page.
pub(crate) fn get(address: &str) -> (String, String) {
    let rest = address.strip_prefix("http://").unwrap();
    let (host, _) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let target = &rest[host.len()..];
    let target = match target.starts_with('/') {
        true => target.to_owned(),
        false => format!("/{target}"),
    };
    let port: u16 = host.rsplit_once(':').unwrap().1.parse().unwrap();
    let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, page) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), page.to_owned())
}

/// The parameters of an address.
pub(crate) fn parameters(address: &str) -> Parameters {
    address
        .split_once('?')
        .map(|(_, query)| form(query))
        .unwrap_or_default()
}

struct Request {
    method: String,
    path: String,
    parameters: Parameters,
}

enum Reply {
    Json(u16, serde_json::Value),
    Redirect(String),
    Page(u16, &'static str),
}

fn serve(stream: &mut (impl Read + Write), port: u16, state: &Mutex<State>, ends: &AtomicBool) {
    let Ok(request) = read(stream) else {
        return;
    };
    let (reply, misbehaviour) = {
        let mut state = state.lock().unwrap();
        let asked = (request.path.clone(), request.parameters.clone());
        state.asked.push(asked);
        match state.next.pop_front().flatten() {
            None => (Some(state.answer(&request, port)), None),
            Some(Misbehaviour::LosesReply) => {
                state.answer(&request, port);
                return;
            }
            Some(other) => (None, Some(other)),
        }
    };
    let _ = match (reply, misbehaviour) {
        (Some(reply), _) => say(stream, reply),
        (None, Some(misbehaviour)) => misbehave(stream, misbehaviour, ends),
        (None, None) => Ok(()),
    };
}

fn misbehave(stream: &mut impl Write, how: Misbehaviour, ends: &AtomicBool) -> io::Result<()> {
    match how {
        Misbehaviour::Says(status, kind, text) => write!(
            stream,
            "HTTP/1.1 {status} No\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        ),
        Misbehaviour::SendsTo(url) => write!(
            stream,
            "HTTP/1.1 307 There\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n"
        ),
        Misbehaviour::Endless => {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{{\"a\":\""
            )?;
            while !ends.load(Ordering::SeqCst) {
                stream.write_all(&[b'x'; 65536])?;
            }
            Ok(())
        }
        Misbehaviour::Drips => {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
            )?;
            while !ends.load(Ordering::SeqCst) {
                stream.write_all(b" ")?;
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        }
        Misbehaviour::Silent => {
            while !ends.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        }
        Misbehaviour::NoHttp => stream.write_all(b"+OK POP3 server ready\r\n"),
        Misbehaviour::LosesReply => Ok(()),
    }
}

impl State {
    fn answer(&mut self, request: &Request, port: u16) -> Reply {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/authorize") => self.authorize(&request.parameters),
            ("POST", "/device") => self.device(&request.parameters, port),
            ("POST", "/token") => match self.known(&request.parameters) {
                Err(reply) => reply,
                Ok(()) => self.token(&request.parameters),
            },
            ("POST", "/revoke") => match self.known(&request.parameters) {
                Err(reply) => reply,
                Ok(()) => self.revoke(&request.parameters),
            },
            _ => Reply::Page(404, "nothing here"),
        }
    }

    /// Whether it is our client that asks (RFC 6749 §2.3.1).
    fn known(&self, parameters: &Parameters) -> Result<(), Reply> {
        let right = parameters.get("client_id") == Some(&self.client_id)
            && parameters.get("client_secret") == self.client_secret.as_ref();
        match right {
            true => Ok(()),
            false => Err(refused(401, "invalid_client")),
        }
    }

    fn authorize(&mut self, parameters: &Parameters) -> Reply {
        let one = |name: &str| parameters.get(name).cloned().unwrap_or_default();
        if one("client_id") != self.client_id || without_port(&one("redirect_uri")) != self.redirect
        {
            // Never sent anywhere: the address is not to be trusted (RFC 6749 §4.1.2.1).
            return Reply::Page(400, "unknown client or redirect");
        }
        let proper = one("response_type") == "code"
            && one("code_challenge_method") == "S256"
            && one("code_challenge").len() == 43
            && one("state").len() >= 16
            && !one("scope").is_empty();
        let mut answer = vec![("state", one("state"))];
        if !proper {
            answer.push(("error", "invalid_request".to_owned()));
        } else if !self.person_agrees {
            answer.push(("error", "access_denied".to_owned()));
            answer.push(("error_description", "the person said no".to_owned()));
        } else {
            // With characters that an address has to escape, as Google's codes have them.
            let code = format!("4/{}+a b", self.fresh("code"));
            let made = Code {
                redirect: one("redirect_uri"),
                challenge: one("code_challenge"),
                scope: one("scope"),
                used: None,
            };
            self.codes.insert(code.clone(), made);
            answer.push(("code", code));
        }
        let query: Vec<_> = answer
            .iter()
            .map(|(name, value)| format!("{name}={}", escaped(value)))
            .collect();
        Reply::Redirect(format!("{}?{}", one("redirect_uri"), query.join("&")))
    }

    fn device(&self, parameters: &Parameters, port: u16) -> Reply {
        let known = parameters.get("client_id") == Some(&self.client_id);
        if !known || parameters.get("scope").is_none_or(String::is_empty) {
            return refused(400, "invalid_request");
        }
        let (expires_in, interval) = self.device_times;
        Reply::Json(
            200,
            serde_json::json!({
                "device_code": "the device",
                "user_code": "WDJB-MJHT",
                "verification_uri": format!("http://127.0.0.1:{port}/activate"),
                "verification_uri_complete": format!("http://127.0.0.1:{port}/activate?c=WDJB-MJHT"),
                "expires_in": expires_in,
                "interval": interval,
            }),
        )
    }

    fn token(&mut self, parameters: &Parameters) -> Reply {
        match parameters.get("grant_type").map_or("", String::as_str) {
            "authorization_code" => self.token_for_code(parameters),
            "refresh_token" => self.token_for_refresh(parameters),
            "urn:ietf:params:oauth:grant-type:device_code" => {
                if parameters
                    .get("device_code")
                    .is_none_or(|it| it != "the device")
                {
                    return refused(400, "invalid_grant");
                }
                match self.device.pop_front() {
                    Some(error) => refused(400, error),
                    None => self.log_in("mail offline_access".to_owned()).1,
                }
            }
            _ => refused(400, "unsupported_grant_type"),
        }
    }

    fn token_for_code(&mut self, parameters: &Parameters) -> Reply {
        let one = |name: &str| parameters.get(name).cloned().unwrap_or_default();
        let Some(code) = self.codes.get(&one("code")) else {
            return refused(400, "invalid_grant");
        };
        if let Some(login) = code.used {
            // Somebody has stolen it (RFC 6749 §4.1.2).
            self.logins[login].revoked = true;
            return refused(400, "invalid_grant");
        }
        let sum = base64url(&Sha256::digest(one("code_verifier").as_bytes()));
        if sum != code.challenge || code.redirect != one("redirect_uri") {
            return refused(400, "invalid_grant");
        }
        let scope = code.scope.clone();
        let (login, reply) = self.log_in(scope);
        self.codes.get_mut(&one("code")).unwrap().used = Some(login);
        reply
    }

    fn log_in(&mut self, scope: String) -> (usize, Reply) {
        let refresh = self.refreshes.then(|| self.fresh("refresh"));
        self.logins.push(Login {
            scope,
            refresh,
            old_refresh: Vec::new(),
            access: Vec::new(),
            revoked: false,
        });
        let login = self.logins.len() - 1;
        (login, self.tokens(login, true))
    }

    fn token_for_refresh(&mut self, parameters: &Parameters) -> Reply {
        let Some(token) = parameters.get("refresh_token") else {
            return refused(400, "invalid_request");
        };
        let used = |login: &Login| login.old_refresh.contains(token);
        if let Some(login) = self.logins.iter_mut().find(|login| used(login)) {
            // Who shows an old one has stolen it, or was stolen from (RFC 9700 §4.14.2).
            login.revoked = true;
            return refused(400, "invalid_grant");
        }
        let mut logins = self.logins.iter();
        let good = |login: &Login| !login.revoked && login.refresh.as_ref() == Some(token);
        let Some(login) = logins.position(good) else {
            return refused(400, "invalid_grant");
        };
        if self.rotates {
            let fresh = self.fresh("refresh");
            let old = self.logins[login].refresh.replace(fresh);
            self.logins[login].old_refresh.extend(old);
        }
        let rotates = self.rotates;
        self.tokens(login, rotates)
    }

    fn tokens(&mut self, login: usize, with_refresh: bool) -> Reply {
        self.issued += 1;
        let access = (self.mint.0)(self.issued);
        let login = &mut self.logins[login];
        login.access.push(access.clone());
        let mut reply = serde_json::json!({
            "access_token": access,
            "token_type": "Bearer",
            "scope": login.scope,
        });
        if let Some(lifetime) = self.lifetime {
            reply["expires_in"] = lifetime.into();
        }
        if let (true, Some(refresh)) = (with_refresh, &login.refresh) {
            reply["refresh_token"] = refresh.as_str().into();
        }
        Reply::Json(200, reply)
    }

    fn revoke(&mut self, parameters: &Parameters) -> Reply {
        let token = parameters.get("token").cloned().unwrap_or_default();
        for login in &mut self.logins {
            if login.refresh.as_ref() == Some(&token) || login.access.contains(&token) {
                login.revoked = true;
            }
        }
        // What is unknown is gone too (RFC 7009 §2.2).
        Reply::Page(200, "")
    }

    fn fresh(&mut self, kind: &str) -> String {
        self.issued += 1;
        format!("{kind}-{}", self.issued)
    }
}

fn refused(status: u16, error: &str) -> Reply {
    let description = format!("the server says {error}");
    Reply::Json(
        status,
        serde_json::json!({ "error": error, "error_description": description }),
    )
}

/// Reads one request: its header up to the empty line, and as much of a body as it announces.
fn read(stream: &mut impl Read) -> io::Result<Request> {
    let mut stream = BufReader::new(stream).take(65_536);
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = words
        .next()
        .zip(words.next())
        .ok_or(io::ErrorKind::InvalidData)?;
    let mut octets = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            octets = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = String::new();
    stream.take(octets).read_to_string(&mut body)?;
    let path = target.split('?').next().unwrap_or_default().to_owned();
    let mut all = parameters(&target);
    all.extend(form(&body));
    Ok(Request {
        method,
        path,
        parameters: all,
    })
}

fn say(stream: &mut impl Write, reply: Reply) -> io::Result<()> {
    let (status, kind, more, text) = match reply {
        Reply::Json(status, value) => {
            let kind = "application/json; charset=utf-8";
            (status, kind, String::new(), value.to_string())
        }
        Reply::Redirect(to) => (
            302,
            "text/plain",
            format!("location: {to}\r\n"),
            String::new(),
        ),
        Reply::Page(status, text) => (status, "text/plain", String::new(), text.to_owned()),
    };
    write!(
        stream,
        "HTTP/1.1 {status} So\r\ncontent-type: {kind}\r\n{more}content-length: {}\r\n\
         connection: close\r\n\r\n{text}",
        text.len()
    )
}

/// What stands in an address or a form: `+` is a space, `%41` an octet.
fn form(text: &str) -> Parameters {
    let plain = |text: &str| {
        let mut octets = Vec::new();
        let mut rest = text.bytes();
        while let Some(octet) = rest.next() {
            octets.push(match octet {
                b'+' => b' ',
                b'%' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    let digits = std::str::from_utf8(&digits).unwrap();
                    u8::from_str_radix(digits, 16).unwrap()
                }
                other => other,
            });
        }
        String::from_utf8(octets).unwrap()
    };
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (plain(name), plain(value)))
        .collect()
}

fn escaped(text: &str) -> String {
    let octets = text.bytes().map(|octet| match octet {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(octet).to_string()
        }
        _ => format!("%{octet:02X}"),
    });
    octets.collect()
}

/// An address of this machine without its port.
fn without_port(address: &str) -> String {
    let Some(rest) = address.strip_prefix("http://") else {
        return address.to_owned();
    };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.split(':').next().unwrap_or_default();
    format!("http://{host}{path}")
}

/// base64url without padding (RFC 4648 §5).
fn base64url(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in octets.chunks(3) {
        let all = chunk
            .iter()
            .chain(&[0, 0])
            .take(3)
            .fold(0, |all, &octet| all << 8 | usize::from(octet));
        for place in 0..=chunk.len() {
            text.push(char::from(DIGITS[all >> (18 - 6 * place) & 63]));
        }
    }
    text
}
