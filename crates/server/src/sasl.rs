//! What AUTH offers on a connection: mechanisms from the configuration, random nonces, and the names
//! of the TLS channel (RFC 5929, RFC 9266) and of its client (RFC 4422 appendix A).

use pop3::server::Sasl;
use sasl::Mechanism;
use sasl::nonce::{Nonces, SEED_OCTETS};
use tracing::{error, info};

use crate::certificate;
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
            Mechanism::External => visit.client_certificates.is_some(),
            _ => true,
        })
        .collect();
    if connection.tls().is_some() {
        sasl.bindings.tls_exporter = connection.tls_exporter();
        let acceptor = visit.acceptor();
        sasl.bindings.tls_server_end_point = acceptor.and_then(|a| a.end_point.clone());
    }
    sasl.certificate = named(connection, visit);
    Ok(sasl)
}

/// Whom the client's certificate stands for: what our own TLS has verified, and no front end's word.
fn named(connection: &Connection, visit: &Visit) -> Option<String> {
    let asked = visit.client_certificates.as_ref()?;
    let shown = connection.peer_certificate()?;
    let certificate = certificate::shown(shown);
    match certificate::account(shown, asked.account) {
        Ok(account) => {
            info!(
                certificate,
                names = account.as_str(),
                "client certificate verified"
            );
            Some(account.as_str().to_owned())
        }
        Err(why) => {
            info!(certificate, %why, "client certificate stands for nobody: no EXTERNAL");
            None
        }
    }
}
