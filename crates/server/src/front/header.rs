//! Waiting for the PROXY header of a connection that begins with one.
//!
//! Until it is whole nothing is said and nothing else is read; when it does not come, or something
//! else does, the connection is cut without a word, and the log says whose it was and what to do.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use super::Client;
use crate::config::Protocol;
use crate::connection::{Connection, draining};
use crate::listener::{Visit, evicted};
use crate::log::{End, Escaped};
use crate::proxy::{self, Certificate, Forwarded, Header, Malformed, Parsed};

/// Why there is no header.
#[derive(Debug, thiserror::Error)]
enum Missing {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("it did not come whole within {} s", .0.as_secs_f32())]
    Late(Duration),
    #[error("the connection ended before it was whole")]
    Lost,
    #[error("the client's TLS at the front end is for another protocol than pop3 (ALPN)")]
    OtherProtocol,
}

/// Reads the header and makes its client the visit's. `accepted`: when the connection came in.
pub(crate) async fn receive(
    connection: &mut Connection,
    visit: &mut Visit,
    accepted: Instant,
) -> Result<(), End> {
    let limit = visit.live.config.limits.handshake_timeout;
    let phase = visit.phase.clone();
    let read = async {
        tokio::select! {
            header = read(connection) => header,
            () = sleep_until(accepted + limit) => Err(Missing::Late(limit)),
        }
    };
    let header = tokio::select! {
        header = read => header,
        () = draining(&phase) => return Err(End::Drained),
        end = evicted(visit) => return Err(end),
    };
    let missing = match header {
        Ok(Header::Forwarded(header)) if speaks_another_protocol(&header, visit.protocol) => {
            Missing::OtherProtocol
        }
        Ok(Header::Forwarded(header)) => {
            told(&header);
            visit.client = Client::forwarded(&header, &visit.front_ends);
            return Ok(());
        }
        Ok(Header::Own) => {
            visit.client.is_passed_on();
            return Ok(());
        }
        // A balancer that only looks whether the port is open.
        Err(Missing::Lost) if connection.input.is_empty() => {
            debug!("connection ended before its PROXY header");
            return Err(End::Lost);
        }
        Err(missing) => missing,
    };
    warn!(
        why = display(&missing),
        "connection without a sound PROXY header, which its network must send; let the front end \
         send one (send-proxy or send-proxy-v2), or take it out of `proxy_protocol`"
    );
    Err(End::NoHeader)
}

/// Reads octets of the header and none behind it: those are for TLS or the session.
async fn read(connection: &mut Connection) -> Result<Header, Missing> {
    loop {
        match proxy::parse(&connection.input)? {
            Parsed::Whole(header, octets) => {
                connection.consume(octets);
                return Ok(header);
            }
            Parsed::More(octets) => {
                let read = connection.read_some(octets).await;
                read.map_err(|_| Missing::Lost)?;
            }
        }
    }
}

/// A client whose TLS was meant for a web server has been led here by somebody who wants our answers
/// misread (ALPACA); where we end TLS ourselves, the handshake says no.
fn speaks_another_protocol(header: &Forwarded, protocol: Protocol) -> bool {
    let alpn = header.extras.alpn.as_deref();
    let ours: &[&[u8]] = match protocol.transfers() {
        true => &[b"lmtp", b"smtp"],
        false => &[b"pop3"],
    };
    alpn.is_some_and(|alpn| !ours.contains(&alpn))
}

/// What a header says beside the address, for whoever looks for a connection in two logs.
fn told(header: &Forwarded) {
    let extras = &header.extras;
    let tls = extras.tls.as_ref();
    let text = |text: Option<&str>| text.map(|text| Escaped(text).to_string());
    let certificate = tls.and_then(|tls| match &tls.certificate {
        Certificate::NotShown => None,
        Certificate::NotVerified => Some("not verified".to_owned()),
        Certificate::Verified { common_name } => {
            Some(text(common_name.as_deref()).unwrap_or_default())
        }
    });
    let unique_id = extras.unique_id.as_deref().map(String::from_utf8_lossy);
    debug!(
        server = display(header.server),
        server_name = text(extras.authority.as_deref()),
        unique_id = text(unique_id.as_deref()),
        client_tls = text(tls.and_then(|tls| tls.version.as_deref())),
        client_cipher = text(tls.and_then(|tls| tls.cipher.as_deref())),
        client_certificate = certificate,
        "connection passed on by a front end"
    );
}
