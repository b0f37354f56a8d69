//! Listeners and sessions of the Restante server.
//!
//! A start has two halves. [`bind`] makes everything that may need rights: sockets, certificate,
//! room for descriptors. Then the program becomes its user ([`sandbox::become_user`]), opens what
//! it serves from ([`Services`]), and [`run`] serves until it is told to end ([`control`]). No
//! state is global: a process can run many servers, as the tests do.
//!
//! `connection` is the only code that reads from and writes to peers; `pop3` and `lmtp` ask the
//! sessions of the crates `pop3` and `delivery` what must happen next, and do it.
//!
//! ```no_run
//! # async fn serve(services: server::Services) -> Result<(), Box<dyn std::error::Error>> {
//! use server::{Config, Listener, PlaintextLogin, Protocol};
//!
//! let mut listener = Listener::new(Protocol::Pop3, "127.0.0.1:0".parse()?);
//! listener.plaintext_login = PlaintextLogin::Loopback;
//! let bound = server::bind(&Config {
//!     listeners: vec![listener],
//!     ..Config::default()
//! })?;
//! for (protocol, address) in bound.addresses() {
//!     println!("{protocol} at {address}");
//! }
//! let (controller, control) = server::control();
//! tokio::spawn(server::signals(controller, || Err("no file to read".to_owned()))?);
//! server::run(bound, services, control).await?;
//! # Ok(())
//! # }
//! ```

mod access;
mod address;
mod authorities;
mod bind;
mod buffers;
mod certificate;
mod config;
mod connection;
mod control;
mod end_point;
mod front;
mod greylist;
pub mod judgement;
mod keeping;
mod limits;
mod listener;
mod lmtp;
mod log;
mod pop3;
pub mod proxy;
pub mod sandbox;
mod sasl;
mod server;
mod stranger;
mod sweep;
mod tidy;
mod tls;
mod trust;
pub mod units;
mod validity;

pub use access::Access;
pub use address::{Address, host_name};
pub use bind::{Bound, LocalAddress, StartError, bind};
pub use config::{
    ClientAccount, ClientCertificates, Config, Limits, Listener, PlaintextLogin, Protocol, Smtp,
    Tls,
};
pub use control::{Control, Controller, Stage, control, signals};
pub use front::{FrontEndTls, FrontEnds};
pub use keeping::Keeping;
pub use limits::Tolls;
pub use server::{Ended, Services, run};
pub use tls::TlsError;
pub use validity::OutOfTime;
