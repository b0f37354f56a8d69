//! What AUTH offers on a connection: mechanisms from the configuration, random nonces, and the names
//! of the TLS channel (RFC 5929, RFC 9266).

use pop3::server::Sasl;
use sasl::Mechanism;
use sasl::nonce::{Nonces, SEED_OCTETS};
use tracing::error;

use crate::connection::Connection;
use crate::listener::Visit;
use crate::log::End;

/// What a new session on this connection offers.
pub(crate) fn offer(connection: &Connection, visit: &Visit) -> Result<Sasl, End> {
    let mut seed = [0; SEED_OCTETS];
    getrandom::fill(&mut seed).map_err(|why| {
        error!(%why, "the system gives no random octets");
        End::Fault
    })?;
    let mut sasl = Sasl::new(Nonces::new(seed));
    let tokens = visit.server.auth.verifies_tokens();
    sasl.hints = visit.server.auth.token_hints();
    sasl.mechanisms = visit
        .live
        .config
        .mechanisms
        .iter()
        .copied()
        .filter(|mechanism| match mechanism {
            Mechanism::OauthBearer | Mechanism::XOauth2 => tokens,
            _ => true,
        })
        .collect();
    if connection.tls().is_some() {
        sasl.bindings.tls_exporter = connection.tls_exporter();
        let acceptor = visit.live.tls.as_ref();
        sasl.bindings.tls_server_end_point = acceptor.and_then(|a| a.end_point.clone());
    }
    Ok(sasl)
}
