//! A provider: where a person logs in, who we are there, and what we ask for.

use std::fmt;

use oauth2::basic::BasicClient;
use oauth2::url::{Host, Url};
use oauth2::{
    AuthType, AuthUrl, ClientId, ClientSecret, DeviceAuthorizationUrl, EndpointNotSet, EndpointSet,
    Scope, TokenUrl,
};

use super::OauthError;
use super::settings::{DeviceFlow, Endpoints, Settings, how_to_register};
use crate::secret::nobody;

/// A provider whose settings are good.
#[derive(Clone)]
pub struct Provider {
    name: String,
    settings: Settings,
    authorize: AuthUrl,
    token: TokenUrl,
    device: Result<DeviceAuthorizationUrl, &'static str>,
    revoke: Option<Url>,
}

/// Why settings describe no provider.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotAProvider {
    /// No client id.
    #[error("{provider} needs a client id of your own: {how}")]
    NoClientId {
        /// Which provider.
        provider: String,
        /// How to get one.
        how: &'static str,
    },
    /// An address that is none, or that would be asked in clear.
    #[error("{url:?} cannot be the {what}: {why}")]
    Url {
        /// What it should be.
        what: &'static str,
        /// What was written.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nothing is asked for.
    #[error("{0} needs at least one scope")]
    NoScope(String),
}

/// A client that can ask for tokens.
pub(super) type Asker =
    BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

impl Provider {
    /// Looks at the settings. The name is what messages say.
    ///
    /// # Errors
    ///
    /// See [`NotAProvider`].
    pub fn new(name: &str, settings: Settings) -> Result<Self, NotAProvider> {
        if settings.client_id.trim().is_empty() {
            return Err(NotAProvider::NoClientId {
                provider: name.to_owned(),
                how: how_to_register(&settings.endpoints.token),
            });
        }
        if settings.scopes.iter().all(|scope| scope.trim().is_empty()) {
            return Err(NotAProvider::NoScope(name.to_owned()));
        }
        let Endpoints {
            authorize,
            token,
            device,
            revoke,
        } = &settings.endpoints;
        let device = match device {
            DeviceFlow::At(url) => {
                let url = guarded("device endpoint", url)?;
                Ok(DeviceAuthorizationUrl::from_url(url))
            }
            DeviceFlow::No(why) => Err(*why),
        };
        let revoke = match revoke {
            Some(url) => Some(guarded("revocation endpoint", url)?),
            None => None,
        };
        let redirect = settings.redirect.replace("{port}", "1");
        Url::parse(&redirect).map_err(|error| NotAProvider::Url {
            what: "redirect",
            url: settings.redirect.clone(),
            why: error.to_string(),
        })?;
        Ok(Self {
            name: name.to_owned(),
            authorize: AuthUrl::from_url(guarded("authorization endpoint", authorize)?),
            token: TokenUrl::from_url(guarded("token endpoint", token)?),
            device,
            revoke,
            settings,
        })
    }

    /// As messages name it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a person can log in by a code for another device.
    pub fn has_device_flow(&self) -> bool {
        self.device.is_ok()
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn authorize(&self) -> &AuthUrl {
        &self.authorize
    }

    pub(super) fn token(&self) -> &TokenUrl {
        &self.token
    }

    pub(super) fn revoke(&self) -> Option<&Url> {
        self.revoke.as_ref()
    }

    /// Where codes for other devices come from.
    pub(super) fn device(&self) -> Result<&DeviceAuthorizationUrl, OauthError> {
        self.device
            .as_ref()
            .map_err(|why| OauthError::NoDeviceFlow(why))
    }

    pub(super) fn scopes(&self) -> impl Iterator<Item = Scope> {
        self.settings.scopes.iter().cloned().map(Scope::new)
    }

    /// What asks for tokens in our name.
    pub(super) fn asker(&self) -> Result<Asker, OauthError> {
        let client = BasicClient::new(ClientId::new(self.settings.client_id.clone()))
            // Where there is a secret at all, the large providers describe it in the body only.
            .set_auth_type(AuthType::RequestBody)
            .set_token_uri(self.token.clone());
        Ok(match self.client_secret()? {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret)),
            None => client,
        })
    }

    /// What proves who we are, if there is such a thing.
    pub(super) fn client_secret(&self) -> Result<Option<String>, OauthError> {
        let Some(source) = &self.settings.client_secret else {
            return Ok(None);
        };
        let secret = source.secret(&mut nobody)?;
        let secret = std::str::from_utf8(secret.expose());
        let secret = secret.map_err(|_| OauthError::NotText("the client secret"))?;
        Ok(Some(secret.to_owned()))
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Whether a host is this machine, to which octets travel in clear without anybody seeing them.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// An address that tokens and codes may be sent to.
fn guarded(what: &'static str, url: &str) -> Result<Url, NotAProvider> {
    let wrong = |why: &str| NotAProvider::Url {
        what,
        url: url.to_owned(),
        why: why.to_owned(),
    };
    let parsed = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(wrong("it holds a user name or a password"));
    }
    if parsed.fragment().is_some() {
        return Err(wrong("it has a fragment (RFC 6749 §3.1)"));
    }
    match parsed.scheme() {
        "https" => Ok(parsed),
        "http" if is_loopback(&parsed) => Ok(parsed),
        "http" => Err(wrong("tokens would travel in clear; write https")),
        _ => Err(wrong("it is no https address")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(token: &str) -> Settings {
        let endpoints = Endpoints {
            authorize: "https://id.example.org/authorize".to_owned(),
            token: token.to_owned(),
            device: DeviceFlow::No("it has none"),
            revoke: None,
        };
        Settings::own("us", endpoints, &["mail"])
    }

    #[test]
    fn tokens_never_travel_in_clear() {
        for (url, good) in [
            ("https://id.example.org/token", true),
            ("http://localhost:1/token", true),
            ("http://127.0.0.1/token", true),
            ("http://127.1.2.3/token", true),
            ("http://[::1]:8/token", true),
            ("http://id.example.org/token", false),
            ("http://localhost.example.org/token", false),
            ("http://127.0.0.1@example.org/token", false),
            ("http://user:secret@localhost/token", false),
            ("https://id.example.org/token#a", false),
            ("ftp://localhost/token", false),
            ("token", false),
            ("", false),
        ] {
            let provider = Provider::new("own", own(url));
            assert_eq!(provider.is_ok(), good, "{url}: {provider:?}");
        }
    }

    #[test]
    fn who_has_no_client_id_is_told_how_to_get_one() {
        for (settings, how) in [
            (Settings::microsoft("", "common"), "Entra"),
            (Settings::google(" "), "Google Cloud console"),
            (
                Settings {
                    client_id: String::new(),
                    ..own("https://id.example.org/token")
                },
                "register an application at the provider",
            ),
        ] {
            let why = Provider::new("it", settings).unwrap_err().to_string();
            assert!(why.contains(how), "{why}");
        }
    }

    #[test]
    fn the_presets_are_providers() {
        let microsoft = Provider::new("microsoft", Settings::microsoft("us", "common")).unwrap();
        assert_eq!(
            microsoft.device().unwrap().as_str(),
            "https://login.microsoftonline.com/common/oauth2/v2.0/devicecode"
        );
        let google = Provider::new("google", Settings::google("us")).unwrap();
        assert!(microsoft.has_device_flow() && !google.has_device_flow());
        let why = google.device().unwrap_err().to_string();
        assert!(why.contains("Google gives no access to mail"), "{why}");
    }
}
