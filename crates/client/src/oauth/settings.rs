//! What a person writes down about a provider, and what is known of the large ones.
//!
//! No client id is shipped with the program: one that everybody can read belongs to nobody, and for
//! mail at Google it would need a yearly assessment. The presets say how to get one.

use std::path::PathBuf;
use std::time::Duration;

use crate::secret::Source;

/// What a person writes down about a provider. [`Provider::new`](super::Provider::new) looks at it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where requests go.
    pub endpoints: Endpoints,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// Who we are there: the id of an application that somebody registered.
    pub client_id: String,
    /// What proves it, at providers that give one even to programs that cannot keep it (RFC 8252 §8.5).
    pub client_secret: Option<Source>,
    /// Where the browser is sent afterwards. `{port}` is the port that we listen on. It must be one that was
    /// registered, octet by octet; only the port may be another (RFC 8252 §7.3).
    pub redirect: String,
    /// What goes into the address of the login besides what OAuth needs.
    pub extra: Vec<(String, String)>,
    /// Who logs in, so that the provider need not ask.
    pub login_hint: Option<String>,
    /// A file of authorities instead of the system's.
    pub authorities: Option<PathBuf>,
    /// For one reply, from the first packet to the last octet. 30 s unless it is set.
    pub reply_timeout: Duration,
    /// For a person to log in. 10 minutes unless it is set.
    pub login_timeout: Duration,
}

/// Where requests go. All are `https`; `http` is taken for this machine only.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// Where the browser goes (RFC 6749 §3.1).
    pub authorize: String,
    /// Where tokens come from (RFC 6749 §3.2).
    pub token: String,
    /// Where codes for other devices come from (RFC 8628 §3.1).
    pub device: DeviceFlow,
    /// Where tokens are given back (RFC 7009).
    pub revoke: Option<String>,
}

/// Whether a code can be typed into a browser elsewhere.
#[derive(Clone, Debug)]
pub enum DeviceFlow {
    /// It can; the codes come from here.
    At(String),
    /// It cannot, and why.
    No(&'static str),
}

impl Settings {
    /// Microsoft 365 and outlook.com. `tenant` is `common` for both, or the id of one organisation.
    ///
    /// The client id is that of an app registration (Microsoft Entra admin center, App registrations) with the redirect
    /// `http://localhost` for mobile and desktop applications, "allow public client flows" on, and the delegated permission
    /// `POP.AccessAsUser.All`.
    pub fn microsoft(client_id: &str, tenant: &str) -> Self {
        let base = format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0");
        let endpoints = Endpoints {
            authorize: format!("{base}/authorize"),
            token: format!("{base}/token"),
            device: DeviceFlow::At(format!("{base}/devicecode")),
            revoke: None,
        };
        let scopes = [
            "https://outlook.office.com/POP.AccessAsUser.All",
            "offline_access",
        ];
        Self {
            // The only address of this machine that can be registered there without editing a manifest.
            redirect: "http://localhost:{port}".to_owned(),
            ..Self::own(client_id, endpoints, &scopes)
        }
    }

    /// Gmail and Google Workspace.
    ///
    /// The client id and its secret are those of an OAuth client of the kind "desktop app" (Google Cloud console, APIs &
    /// Services, Credentials). While the project is in testing a login ends after seven days.
    pub fn google(client_id: &str) -> Self {
        let endpoints = Endpoints {
            authorize: "https://accounts.google.com/o/oauth2/v2/auth".to_owned(),
            token: "https://oauth2.googleapis.com/token".to_owned(),
            device: DeviceFlow::No(
                "Google gives no access to mail by a code for another device; log in with the browser of this \
                 machine, or paste the address that a browser elsewhere ends at",
            ),
            revoke: Some("https://oauth2.googleapis.com/revoke".to_owned()),
        };
        let extra = [("access_type", "offline"), ("prompt", "consent")];
        Self {
            // Without these a second login gives no refresh token.
            extra: extra
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..Self::own(client_id, endpoints, &["https://mail.google.com/"])
        }
    }

    /// Any other provider.
    pub fn own(client_id: &str, endpoints: Endpoints, scopes: &[&str]) -> Self {
        Self {
            endpoints,
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            client_id: client_id.to_owned(),
            client_secret: None,
            redirect: "http://127.0.0.1:{port}/".to_owned(),
            extra: Vec::new(),
            login_hint: None,
            authorities: None,
            reply_timeout: Duration::from_secs(30),
            login_timeout: Duration::from_secs(600),
        }
    }
}

/// How to get a client id from the provider that has this token endpoint.
pub(super) fn how_to_register(token_endpoint: &str) -> &'static str {
    match token_endpoint {
        url if url.starts_with("https://login.microsoftonline.com/") => {
            "in the Microsoft Entra admin center register an app (public client, redirect http://localhost, delegated \
             permission POP.AccessAsUser.All), and write its application id into the configuration"
        }
        url if url.starts_with("https://oauth2.googleapis.com/") => {
            "in the Google Cloud console make an OAuth client of the kind \"desktop app\", and write its id and its \
             secret into the configuration"
        }
        _ => {
            "register an application at the provider, and write its client id into the configuration"
        }
    }
}
