//! Files of the users of this machine, to whose mail the server has no rights.
//!
//! A helper process is started before the server gives up root's rights, and stays root, but does one thing:
//! it opens, makes, renames and removes files with the rights of the user whose they are, below one directory,
//! where the configuration says that the user's maildrop is, and hands out descriptors. What strangers send
//! never reaches it: it reads requests of the server only, each of them bounded (`message.rs`), and a server
//! that had been taken over could ask it for mail, which a server has anyway, but for nothing else.
//!
//! What runs as root is `serve.rs` with `rights.rs`, `home.rs` and `message.rs`, over the directory of
//! `native/media/beneath.rs`. The server asks by [`Helper`], and works with a [`Helped`] directory as with any
//! other.

mod disk;
mod home;
mod lanes;
mod message;
mod refusal;
mod rights;
mod serve;
mod wire;

#[cfg(test)]
mod tests;

pub use disk::Helped;
pub use home::{Home, Kept, NotAHome};
pub use lanes::Helper;
pub use serve::{Duty, serve};
