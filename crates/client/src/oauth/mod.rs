//! Logins by OAuth 2.0: a person logs in once in a browser, and from then on tokens are asked for by themselves.
//!
//! A [`Provider`] says where. A person logs in there by one of three ways, each of which ends with a [`Login`]:
//!
//! - [`login_device`]: a code is typed into a browser anywhere (RFC 8628). Microsoft has it; Google withholds it for mail.
//! - [`login_loopback`]: the browser of this machine comes back to us by itself (RFC 8252, PKCE by RFC 7636).
//! - [`login_pasted`]: the same with a browser elsewhere; the person pastes the address that it ends at.
//!
//! [`Tokens`] keeps the login and gives an access token whenever one is needed. A provider that gives a new refresh token
//! with each use takes it for theft when an old one comes again, and ends the login. So the new one is durable before
//! its access token is used, and two processes never refresh at once.
//!
//! All of this waits: call it where waiting is allowed (`tokio::task::spawn_blocking`).
//!
//! ```no_run
//! use std::path::Path;
//!
//! use client::oauth::{Provider, Settings, Tokens, login_device};
//!
//! let provider = Provider::new("microsoft", Settings::microsoft("CLIENT-ID", "common"))?;
//! let login = login_device(&provider, |prompt| {
//!     println!("open {} and enter {}", prompt.address, prompt.code);
//! })?;
//! let mut tokens = Tokens::open(Path::new("/var/lib/restante/fetch"), "work", &provider);
//! tokens.log_in(login)?;
//! let token = tokens.access(false)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod code;
mod device;
mod error;
mod grant;
mod http;
mod loopback;
mod pasted;
mod provider;
mod settings;
mod tokens;

pub use device::{DevicePrompt, login_device};
pub use error::OauthError;
pub use grant::{Login, Status};
pub use http::HttpError;
pub use loopback::login_loopback;
pub use pasted::login_pasted;
pub use provider::{NotAProvider, Provider};
pub use settings::{DeviceFlow, Endpoints, Settings};
pub use tokens::{LoggedOut, Tokens};

#[cfg(test)]
mod tests;
