//! By what the user is known: asked for where the configuration says.

use client::Credentials;
use client::oauth::{DeviceFlow, Endpoints, OauthError, Provider, Settings, Tokens};
use client::secret::{SecretError, Source};
use sasl::Secret;

use super::place::Place;
use super::settings::{Account, Auth, Oauth, Service};
use crate::failure::{Code, Failure};
use crate::output;
use crate::user::password;

/// Where the credentials of an account come from, each time they are needed. Blocks.
#[derive(Debug)]
pub(super) enum Origin {
    /// The same each time.
    Fixed(Credentials),
    /// Tokens, which end.
    Tokens(Box<Tokens>),
}

impl Origin {
    /// That of an account; whoever sits there is asked now.
    ///
    /// # Errors
    ///
    /// When a password cannot be had, or a provider is none.
    pub(super) fn of(account: &Account, place: &Place) -> Result<Self, Failure> {
        Ok(match &account.auth {
            Auth::Password(source) => {
                let secret = secret(&account.name, source)?;
                Self::Fixed(Credentials::Password(secret))
            }
            Auth::Certificate => Self::Fixed(Credentials::Certificate),
            Auth::TokenCommand(command) => {
                Self::Tokens(Box::new(Tokens::of_command(command.clone())))
            }
            Auth::Oauth(oauth) => Self::Tokens(Box::new(tokens(account, oauth, place)?)),
        })
    }

    /// What is shown to the server now; after a token was refused, another one.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub(super) fn credentials(
        &mut self,
        account: &str,
        was_refused: bool,
    ) -> Result<Credentials, Failure> {
        match self {
            Self::Fixed(credentials) => Ok(credentials.clone()),
            Self::Tokens(tokens) => {
                let token = tokens.access(was_refused);
                let token = token.map_err(|error| no_token(account, &error))?;
                Ok(Credentials::Token(token))
            }
        }
    }

    /// Whether another try can have other credentials.
    pub(super) fn renews(&self) -> bool {
        matches!(self, Self::Tokens(_))
    }
}

/// A secret, from where the configuration says. The name is that of an account, or of a destination's login.
///
/// # Errors
///
/// When it cannot be had.
pub(super) fn secret(account: &str, source: &Source) -> Result<Secret, Failure> {
    let mut ask = |question: &str| {
        password::asked_for_once(question)
            .map_err(|failure| std::io::Error::other(failure.what().unwrap_or_default().to_owned()))
    };
    source
        .secret(&mut ask)
        .map_err(|error| unknown(account, &error))
}

fn unknown(account: &str, error: &SecretError) -> Failure {
    let code = match error.may_pass() {
        true => Code::Temporary,
        false => Code::NoPermission,
    };
    let text = output::without_numbers(&error.to_string());
    let failure = Failure::from_text(code, &text).within(account);
    match error {
        SecretError::NoEntry(_) => {
            failure.remedy(format!("restante fetch secret set {account} stores it"))
        }
        _ => failure,
    }
}

/// The tokens of an account.
///
/// # Errors
///
/// When the provider is none.
fn tokens(account: &Account, oauth: &Oauth, place: &Place) -> Result<Tokens, Failure> {
    let provider = provider(&account.name, &account.user, oauth, Service::Pop)?;
    Ok(Tokens::open(place.directory(), &account.name, &provider))
}

/// The provider that a configuration means.
///
/// # Errors
///
/// When it means none.
pub(super) fn provider(
    account: &str,
    user: &str,
    oauth: &Oauth,
    service: Service,
) -> Result<Provider, Failure> {
    let wrong = |what: String| Failure::from_text(Code::Config, &what).within(account);
    let id = &oauth.client_id;
    let mut settings = match oauth.provider.as_str() {
        "microsoft" => {
            let tenant = oauth.tenant.as_deref().unwrap_or("common");
            let mut settings = Settings::microsoft(id, tenant);
            // Each protocol is a right of its own there; Google has one for all.
            let right = match service {
                Service::Pop | Service::Gmail => None,
                Service::Imap => Some("IMAP.AccessAsUser.All"),
                Service::Smtp => Some("SMTP.Send"),
            };
            if let Some(right) = right {
                let scope = format!("https://outlook.office.com/{right}");
                settings.scopes = vec![scope, "offline_access".to_owned()];
            }
            settings
        }
        "google" => Settings::google(id),
        other => {
            let (Some(authorize), Some(token)) = (&oauth.authorization, &oauth.token) else {
                return Err(wrong(format!(
                    "{other:?} is no provider that is known; write \"microsoft\" or \"google\", or add authorization_endpoint, \
                     token_endpoint and scopes"
                )));
            };
            let endpoints = Endpoints {
                authorize: authorize.clone(),
                token: token.clone(),
                device: DeviceFlow::No("this provider has no device_authorization_endpoint"),
                revoke: None,
            };
            Settings::own(id, endpoints, &[])
        }
    };
    if let Some(authorize) = &oauth.authorization {
        settings.endpoints.authorize.clone_from(authorize);
    }
    if let Some(token) = &oauth.token {
        settings.endpoints.token.clone_from(token);
    }
    if let Some(device) = &oauth.device {
        settings.endpoints.device = DeviceFlow::At(device.clone());
    }
    if oauth.revocation.is_some() {
        settings.endpoints.revoke.clone_from(&oauth.revocation);
    }
    if !oauth.scopes.is_empty() {
        settings.scopes.clone_from(&oauth.scopes);
    }
    settings.client_secret.clone_from(&oauth.client_secret);
    settings.login_hint = (!user.is_empty()).then(|| user.to_owned());
    Provider::new(&oauth.provider, settings).map_err(|error| wrong(error.to_string()))
}

/// Why there is no token.
pub(super) fn no_token(account: &str, error: &OauthError) -> Failure {
    let text = output::without_numbers(&error.to_string());
    let code = match (error.needs_login(), error.may_pass()) {
        (true, _) => Code::TokenNeeded,
        (_, true) => Code::Temporary,
        _ => Code::NoPermission,
    };
    let failure = Failure::from_text(code, &text).within(account);
    match failure.advice() {
        None if code == Code::TokenNeeded => {
            failure.remedy(format!("restante fetch auth login {account}"))
        }
        _ => failure,
    }
}
