//! How an account of mpop's reaches its server, and in which way it is protected.

use super::account::Reader;
use crate::moving::notes::{Notes, shown};
use crate::moving::table::{Table, Tls};

impl Reader<'_> {
    pub(super) fn connection(&self, table: &mut Table, notes: &mut Notes<'_>) {
        let settings = self.settings;
        table.tls = match (
            self.on("tls", false, notes),
            self.on("tls_starttls", true, notes),
        ) {
            (false, _) => Tls::None,
            (true, true) => Tls::Upgraded,
            (true, false) => Tls::Implicit,
        };
        if table.tls == Tls::None {
            notes.at(
                settings.command("tls").map_or(settings.line, |(_, line)| line),
                format!("account {} uses no TLS", shown(&settings.name)),
                "it is moved as it is, with insecure = true; try it without the lines tls, insecure and port",
            );
        }
        table.port = if table.tls == Tls::Implicit { 995 } else { 110 };
        if let Some((argument, line)) = settings.command("port") {
            match argument.parse() {
                Ok(port) if port > 0 => table.port = port,
                _ => notes.at(
                    line,
                    format!("port {}", shown(argument)),
                    format!("it is no port; {} is taken", table.port),
                ),
            }
        }
        table.trust = settings
            .argument("tls_trust_file")
            .filter(|&it| it != "system")
            .map(|it| self.around.expanded(it));
        if let Some((argument, line)) = settings
            .command("tls_fingerprint")
            .filter(|(it, _)| !it.is_empty())
        {
            let pin: String = argument
                .chars()
                .filter(|&it| it != ':')
                .collect::<String>()
                .to_ascii_lowercase();
            if pin.len() == 64 && pin.bytes().all(|it| it.is_ascii_hexdigit()) {
                // Where there is a fingerprint, mpop asks no authority.
                table.pins = vec![pin];
                table.trust = None;
            } else {
                notes.at(
                    line,
                    "tls_fingerprint is no SHA-256",
                    "MD5 and SHA-1 can be forged; write pin = [\"SHA-256 of the certificate\"] in its place",
                );
            }
        }
        if !self.on("tls_certcheck", true, notes) {
            notes.at(
                settings.command("tls_certcheck").map_or(0, |(_, line)| line),
                "tls_certcheck off",
                "certificates are always verified here; for one that no authority vouches for write pin = [\"its SHA-256\"]",
            );
        }
        if let (Some(certificate), Some(key)) = (
            settings.argument("tls_cert_file"),
            settings.argument("tls_key_file"),
        ) {
            if [certificate, key].iter().any(|it| it.contains("pkcs11:")) {
                notes.at(
                    settings.line,
                    "a certificate in a device",
                    "a client certificate is read from a file only: client_certificate, client_key",
                );
            } else {
                table.client = Some((self.around.expanded(certificate), self.around.expanded(key)));
            }
        }
        if let Some(proxy) = settings.argument("proxy_host") {
            let port: u16 = match settings
                .command("proxy_port")
                .filter(|(it, _)| !it.is_empty())
            {
                None => 1080,
                Some((port, line)) => port.parse().unwrap_or_else(|_| {
                    notes.at(
                        line,
                        format!("proxy_port {}", shown(port)),
                        "it is no port; 1080 is taken",
                    );
                    1080
                }),
            };
            table.proxy = Some(if proxy.contains(':') {
                format!("socks5://[{proxy}]:{port}")
            } else {
                format!("socks5://{proxy}:{port}")
            });
        }
    }

    /// `on`, which may be left out, or `off`.
    fn on(&self, command: &str, usual: bool, notes: &mut Notes<'_>) -> bool {
        match self.settings.command(command) {
            None => usual,
            Some(("" | "on", _)) => true,
            Some(("off", _)) => false,
            Some((argument, line)) => {
                notes.at(
                    line,
                    format!("{command} {}", shown(argument)),
                    format!(
                        "it is neither on nor off; {} is taken",
                        if usual { "on" } else { "off" }
                    ),
                );
                usual
            }
        }
    }
}
