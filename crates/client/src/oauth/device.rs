//! A code that is typed into a browser anywhere (RFC 8628).

use std::cell::RefCell;
use std::thread::sleep;
use std::time::Duration;

use oauth2::basic::BasicTokenResponse;
use oauth2::url::Url;
use oauth2::{HttpRequest, HttpResponse, StandardDeviceAuthorizationResponse};

use super::OauthError;
use super::error::{Answer, shown};
use super::grant::{Grant, Login};
use super::http::{Http, HttpError};
use super::provider::Provider;

/// Longest pause between two questions, whatever the provider asks for: its reply may be there already.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What the person is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DevicePrompt {
    /// The address to open in a browser, on any machine.
    pub address: String,
    /// The code to enter there.
    pub code: String,
    /// The same address with the code in it, if there is one.
    pub complete_address: Option<String>,
    /// How long the code is good.
    pub expires_in: Duration,
}

/// Logs in by a code. `on_prompt` tells the person; then this waits until he has logged in.
///
/// # Errors
///
/// When the provider has no such codes, the person says no or takes too long, or the provider refuses.
pub fn login_device(
    provider: &Provider,
    on_prompt: impl FnMut(&DevicePrompt),
) -> Result<Login, OauthError> {
    login_with(provider, on_prompt, sleep)
}

/// The same with another way to wait.
pub(super) fn login_with(
    provider: &Provider,
    mut on_prompt: impl FnMut(&DevicePrompt),
    pause: impl Fn(Duration),
) -> Result<Login, OauthError> {
    let device = provider.device()?.clone();
    let http = Http::new(provider)?;
    let asker = provider.asker()?.set_device_authorization_url(device);
    let codes: StandardDeviceAuthorizationResponse = asker
        .exchange_device_code()
        .add_scopes(provider.scopes())
        .request(&|request| http.send(request))
        .map_err(|error| Answer::of(error).refused())?;
    let limit = codes.expires_in().min(provider.settings().login_timeout);
    on_prompt(&prompt(&codes, limit)?);
    // Where the provider cannot be reached it is asked again; what does not pass must not be asked for ten minutes.
    let lasting: RefCell<Option<HttpError>> = RefCell::new(None);
    let send = |request: HttpRequest| match http.send(request) {
        Err(error) if !error.may_pass() => {
            lasting.replace(Some(error));
            let mut ends = HttpResponse::new(Vec::new());
            *ends.status_mut() = oauth2::http::StatusCode::BAD_REQUEST;
            Ok(ends)
        }
        other => other,
    };
    let answer: Result<BasicTokenResponse, _> = asker
        .exchange_device_access_token(&codes)
        .set_max_backoff_interval(PAUSE_MAX)
        .request(&send, |wanted| pause(wanted.min(PAUSE_MAX)), Some(limit));
    if let Some(error) = lasting.into_inner() {
        return Err(error.into());
    }
    let answer = answer.map_err(|error| Answer::of(error).refused())?;
    Grant::of(provider, &answer, None).map(Login)
}

fn prompt(
    codes: &StandardDeviceAuthorizationResponse,
    expires_in: Duration,
) -> Result<DevicePrompt, OauthError> {
    // Somebody will open this, so it is one of the web and nothing else.
    let of_the_web = |address: &str| match Url::parse(address) {
        Ok(url) if matches!(url.scheme(), "https" | "http") => Some(url.to_string()),
        _ => None,
    };
    let address = of_the_web(codes.verification_uri().as_str());
    let complete = codes.verification_uri_complete();
    Ok(DevicePrompt {
        address: address.ok_or_else(|| {
            OauthError::NotOauth("the address to open is none of the web".to_owned())
        })?,
        code: shown(codes.user_code().secret()),
        complete_address: complete.and_then(|it| of_the_web(it.secret())),
        expires_in,
    })
}
