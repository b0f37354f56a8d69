//! The keys of a `[[listener]]` about front ends: whom it believes about clients, and what.

use std::ops::Range;

use auth::Network;
use server::{Address, FrontEndTls, FrontEnds, Listener, Protocol};

use super::document::{At, Document, Section};

/// The keys as they stand in the file.
pub(super) struct Keys {
    proxy_protocol: Networks,
    xclient: Networks,
    client_tls: Option<At<bool>>,
}

/// A list of networks, and where it stands if it is not empty.
struct Networks {
    key: &'static str,
    networks: Vec<Network>,
    span: Option<Range<usize>>,
}

/// Reads the keys of one listener.
pub(super) fn read(document: &mut Document<'_>, section: &mut Section<'_, '_>) -> Keys {
    Keys {
        proxy_protocol: networks(document, section, "proxy_protocol"),
        xclient: networks(document, section, "xclient"),
        client_tls: section.switch(document, "proxy_tls"),
    }
}

fn networks(
    document: &mut Document<'_>,
    section: &mut Section<'_, '_>,
    key: &'static str,
) -> Networks {
    let texts = section.texts(document, key).unwrap_or_default();
    let span = texts.first().map(|first| first.span.clone());
    let mut networks = Vec::new();
    for At { value, span } in texts {
        match value.parse::<Network>() {
            Ok(network) => {
                if network.to_string().ends_with("/0") {
                    document.warning(
                        Some(span),
                        format!("`{key}` believes everybody: any client may claim any address"),
                        "name the addresses of your front ends",
                    );
                }
                networks.push(network);
            }
            Err(error) => document.error(
                Some(span),
                format!("`{key}` cannot hold {value:?}"),
                format!("{error}"),
            ),
        }
    }
    Networks {
        key,
        networks,
        span,
    }
}

impl Keys {
    /// Gives the listener its front ends, and tells what it cannot have.
    pub(super) fn settle(self, document: &mut Document<'_>, listener: &mut Listener) {
        let lists = [&self.proxy_protocol, &self.xclient];
        let unix = matches!(listener.address, Address::Unix(_));
        for list in lists {
            if unix && list.span.is_some() {
                document.error(
                    list.span.clone(),
                    format!("`{}` means nothing for a Unix socket", list.key),
                    "remove it; who connects there has no address that could be in a network",
                );
            }
        }
        let believed = self.client_tls.as_ref().filter(|told| told.value);
        if let Some(told) = believed {
            let span = Some(told.span.clone());
            if listener.protocol != Protocol::Pop3 {
                document.error(
                    span,
                    format!("`proxy_tls` means nothing for {}", listener.protocol),
                    "remove it; it belongs to protocol = \"pop3\"",
                );
            } else if lists.iter().all(|list| list.span.is_none()) {
                document.error(
                    span,
                    "`proxy_tls` believes nobody",
                    "name the front ends that end TLS: proxy_protocol = [\"192.0.2.1\"]",
                );
            }
        }
        listener.front_ends = FrontEnds {
            client_tls: match believed {
                Some(_) => FrontEndTls::Believed,
                None => FrontEndTls::Ignored,
            },
            proxy_protocol: self.proxy_protocol.networks,
            xclient: self.xclient.networks,
        };
    }
}
