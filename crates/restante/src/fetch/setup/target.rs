//! Whose maildrop is set up, and where it may be.

use client::discover::{self, Security, Source, Standing};

use crate::args;
use crate::failure::{Code, Failure};
use crate::fetch::settings::{Tls, check_name};
use crate::output;

/// Whose maildrop, as it was asked for.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Target {
    /// As it was written.
    pub(super) address: String,
    /// What the account will be called.
    pub(super) name: String,
    /// What the server may call the user, the likeliest first.
    pub(super) users: Vec<String>,
    /// What stands behind the `@`.
    pub(super) domain: String,
    /// The server, if it was named.
    pub(super) server: Option<(String, Option<u16>)>,
}

/// Where the maildrop may be.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) users: Vec<String>,
    /// Who says so; none: the person did.
    pub(super) source: Option<Source>,
    /// Whether that can be relied upon.
    pub(super) standing: Standing,
}

impl Target {
    /// Reads what was asked for.
    ///
    /// # Errors
    ///
    /// When it is no address, or makes no name for an account.
    pub(super) fn read(asked: &args::Setup) -> Result<Self, Failure> {
        let address = asked.address.trim();
        let no_address = || {
            Failure::new(Code::Usage, format!("{address:?} is no address")).remedy(
                "write bob@example.org, or bob@pop.example.org:995 for a server that you know",
            )
        };
        let (user, place) = address.rsplit_once('@').ok_or_else(no_address)?;
        let odd = |c: char| c.is_control() || c.is_whitespace();
        if user.is_empty() || place.is_empty() || address.contains(odd) {
            return Err(no_address());
        }
        let (host, port) = split(place).ok_or_else(no_address)?;
        let is_server =
            port.is_some() || host == "localhost" || host.parse::<std::net::IpAddr>().is_ok();
        let server = match &asked.server {
            Some(server) => Some(split(server).ok_or_else(|| {
                Failure::new(Code::Usage, format!("{server:?} is no server"))
                    .remedy("write pop.example.org, or pop.example.org:995")
            })?),
            None => is_server.then(|| (host.clone(), port)),
        };
        let users = match (&asked.user, is_server) {
            (Some(user), _) => vec![user.clone()],
            (None, true) => vec![user.to_owned()],
            (None, false) => vec![address.to_owned(), user.to_owned()],
        };
        Ok(Self {
            address: address.to_owned(),
            name: name(asked, user)?,
            users,
            domain: host,
            server,
        })
    }

    /// The servers to try, in this order.
    ///
    /// # Errors
    ///
    /// When none is known.
    pub(super) fn servers(&self, asked: &args::Setup) -> Result<Vec<Server>, Failure> {
        let Some((host, port)) = &self.server else {
            return self.found(asked);
        };
        let tls = match (asked.insecure, asked.starttls || *port == Some(110)) {
            (true, _) => Tls::None,
            (_, true) => Tls::Stls,
            _ => Tls::Implicit,
        };
        let usual = match tls {
            Tls::Implicit => 995,
            Tls::Stls | Tls::None => 110,
        };
        Ok(vec![Server {
            host: host.clone(),
            port: port.unwrap_or(usual),
            tls,
            users: self.users.clone(),
            source: None,
            standing: Standing::Sure,
        }])
    }

    /// What others say about where it is.
    fn found(&self, asked: &args::Setup) -> Result<Vec<Server>, Failure> {
        let remedy = format!(
            "ask the provider which server it is, and name it: restante fetch setup {} --server HOST",
            self.address
        );
        let runtime = crate::fetch::run::runtime(1)?;
        let found = runtime.block_on(discover::discover(&self.address, None));
        let found = found.map_err(|error| {
            let what = output::without_numbers(&error.to_string());
            Failure::new(Code::Unavailable, what).remedy(remedy.clone())
        })?;
        let wanted = |security| match (asked.insecure, asked.starttls, security) {
            (true, _, Security::InClear) => Some(Tls::None),
            (false, _, Security::Stls) => Some(Tls::Stls),
            (false, false, Security::Tls) => Some(Tls::Implicit),
            _ => None,
        };
        let servers: Vec<Server> = (found.candidates.into_iter())
            .filter_map(|candidate| {
                Some(Server {
                    tls: wanted(candidate.security)?,
                    host: candidate.host,
                    port: candidate.port,
                    users: match &asked.user {
                        Some(user) => vec![user.clone()],
                        None => candidate.users,
                    },
                    source: Some(candidate.source),
                    standing: candidate.standing,
                })
            })
            .collect();
        match servers.is_empty() {
            false => Ok(servers),
            true => {
                let what = format!(
                    "nobody says where the POP3 server of {} is:\n    {}",
                    self.domain,
                    found.notes.join("\n    ")
                );
                Err(Failure::new(Code::Unavailable, what).remedy(remedy))
            }
        }
    }
}

impl Server {
    /// Host and port, as people write them.
    pub(super) fn place(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// How octets travel there.
    pub(super) fn security(&self) -> &'static str {
        match self.tls {
            Tls::Implicit => "inside TLS",
            Tls::Stls => "inside TLS after STLS",
            Tls::None => "in clear, the password too",
        }
    }

    /// Who says so, for people.
    pub(super) fn says(&self) -> &'static str {
        match self.source {
            None => "as you say",
            Some(Source::Srv) => "by SRV records of the domain",
            Some(Source::Provider) => "as the provider says",
            Some(Source::Mozilla) => "by Mozilla's list of providers",
            Some(Source::MozillaByMx) => "by Mozilla's list, of who takes the domain's mail",
            Some(Source::Guess) => "a usual name, which is there",
        }
    }
}

/// What the account is called: as asked, or as the user.
fn name(asked: &args::Setup, user: &str) -> Result<String, Failure> {
    let local = user.split('@').next().unwrap_or_default();
    let made = || {
        let letter = |c: char| match c.is_ascii_alphanumeric() || "-_".contains(c) {
            true => c,
            false => '-',
        };
        let name: String = local.chars().take(64).map(letter).collect();
        name.trim_matches(['-', '_']).to_owned()
    };
    let name = asked.name.clone().unwrap_or_else(made);
    check_name(&name).map_err(|why| {
        Failure::new(Code::Usage, format!("no account can be called {name:?}")).remedy(match asked
            .name
        {
            Some(_) => why,
            None => format!(
                "choose a name: restante fetch setup {} --name NAME",
                asked.address
            ),
        })
    })?;
    Ok(name)
}

/// `host`, `host:port`, `[::1]:port`.
fn split(place: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            let port = match rest {
                "" => None,
                rest => Some(rest.strip_prefix(':')?),
            };
            (host, port)
        }
        None => match place.split_once(':') {
            // An address of IPv6 without brackets.
            Some((_, rest)) if rest.contains(':') => (place, None),
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    let port = match port {
        Some(port) => Some(port.parse().ok().filter(|port| *port != 0)?),
        None => None,
    };
    (!host.is_empty()).then(|| (host.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(address: &str) -> args::Setup {
        args::Setup {
            address: address.to_owned(),
            ..args::Setup::default()
        }
    }

    #[test]
    fn an_address_says_where_and_who() {
        for (address, name, users, server) in [
            (
                "bob@localhost:1995",
                "bob",
                vec!["bob"],
                Some(("localhost", Some(1995))),
            ),
            (
                "bob@localhost",
                "bob",
                vec!["bob"],
                Some(("localhost", None)),
            ),
            (
                "bob@[::1]:995",
                "bob",
                vec!["bob"],
                Some(("::1", Some(995))),
            ),
            ("bob@::1", "bob", vec!["bob"], Some(("::1", None))),
            (
                "b.o+b@example.org",
                "b-o-b",
                vec!["b.o+b@example.org", "b.o+b"],
                None,
            ),
            (
                "bob@example.org@POP.example.net:995",
                "bob",
                vec!["bob@example.org"],
                Some(("pop.example.net", Some(995))),
            ),
        ] {
            let target = Target::read(&asked(address)).unwrap();
            assert_eq!(target.name, name, "{address}");
            assert_eq!(target.users, users, "{address}");
            let server = server.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(target.server, server, "{address}");
        }
        for wrong in [
            "bob",
            "@example.org",
            "bob@",
            "bob@host:0",
            "bob@host:x",
            "b b@c",
            "bob@[::1",
        ] {
            assert!(Target::read(&asked(wrong)).is_err(), "{wrong}");
        }
        // What would be a command.
        let failure = Target::read(&asked("all@example.org")).unwrap_err();
        assert_eq!(failure.what(), Some("no account can be called \"all\""));
    }

    #[test]
    fn what_is_said_beside_the_address_counts_more() {
        let asked = args::Setup {
            server: Some("mx.example.net".to_owned()),
            user: Some("u17".to_owned()),
            name: Some("work".to_owned()),
            starttls: true,
            ..asked("bob@example.org")
        };
        let target = Target::read(&asked).unwrap();
        assert_eq!(
            (target.name.as_str(), target.users.clone()),
            ("work", vec!["u17".to_owned()])
        );
        let servers = target.servers(&asked).unwrap();
        assert_eq!(servers.len(), 1);
        assert_eq!(
            (servers[0].place().as_str(), servers[0].tls),
            ("mx.example.net:110", Tls::Stls)
        );
    }
}
