//! Where the maildrops of users lie, and which paths belong to one.

use std::path::{Path, PathBuf};

/// What a maildrop is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kept {
    /// A directory.
    Maildir,
    /// A file, with others beside it that lock it or say what is being done with it.
    Mbox,
}

/// Where each user's maildrop lies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Home {
    root: PathBuf,
    /// Below the root, down to the Maildir, or to the directory of the mbox.
    directory: Vec<Name>,
    file: Option<Name>,
}

/// One name of a path.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Name {
    Text(String),
    /// That of the user.
    User,
}

/// Why a path says of no user where his maildrop is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "with system_users, a path has {{local}} between two slashes or at its end, and no other variable, as in \
     /home/{{local}}/Maildir or /var/mail/{{local}}"
)]
pub struct NotAHome;

impl Home {
    /// What is below `/home` in `/home/{local}/Maildir`. `{name}` may stand for `{local}`: users of a machine
    /// have no domain.
    ///
    /// # Errors
    ///
    /// When there is no such variable, or more in a name than one.
    pub fn new(path: &str, kept: Kept) -> Result<Self, NotAHome> {
        let names = path.strip_prefix('/').ok_or(NotAHome)?;
        let names = names.split('/').filter(|name| !name.is_empty());
        let names = names.map(|name| match name {
            "{local}" | "{name}" => Ok(Name::User),
            "." | ".." => Err(NotAHome),
            text if text.contains(['{', '}']) => Err(NotAHome),
            text => Ok(Name::Text(text.to_owned())),
        });
        let names: Vec<_> = names.collect::<Result<_, _>>()?;
        let first = names.iter().position(|name| *name == Name::User);
        let mut directory = names;
        let root: PathBuf = directory
            .drain(..first.ok_or(NotAHome)?)
            .fold(PathBuf::from("/"), |root, name| root.join(name.of("")));
        let file = match kept {
            Kept::Maildir => None,
            Kept::Mbox => directory.pop(),
        };
        Ok(Self {
            root,
            directory,
            file,
        })
    }

    /// The directory below which all of them lie.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether maildrops of several users lie in one directory, so that its rights keep nobody from another's.
    pub fn is_shared(&self) -> bool {
        self.directory.is_empty()
    }

    /// The first directory on the way to a user's maildrop, which is the machine's to make: his home.
    pub(super) fn first_of<'n>(&'n self, user: &'n str) -> Option<&'n str> {
        let first = self.directory.first().filter(|_| self.directory.len() > 1);
        first.map(|name| name.of(user))
    }

    /// The user's directory, relative to the root, and the mbox in it, if that is what it is.
    pub fn of(&self, user: &str) -> (String, String) {
        let file = self.file.as_ref().map_or("", |name| name.of(user));
        (self.directory(user).join("/"), file.to_owned())
    }

    fn directory<'n>(&'n self, user: &'n str) -> Vec<&'n str> {
        self.directory.iter().map(|name| name.of(user)).collect()
    }

    /// Whether a path, relative to the root, is that of a file that a maildrop of the user has, or may have.
    pub(super) fn is_file(&self, user: &str, path: &str) -> bool {
        let inside = self.inside(user, path);
        match (inside.as_deref(), &self.file) {
            (Some([name]), None) => BESIDE.iter().any(|begin| name.starts_with(begin)),
            (Some([part, name]), None) => PARTS.contains(part) && is_name(name),
            (Some([name]), Some(file)) => is_of_mbox(name, file.of(user)),
            _ => false,
        }
    }

    /// Whether it is that of a directory of the maildrop.
    pub(super) fn is_directory(&self, user: &str, path: &str) -> bool {
        let inside = self.inside(user, path);
        match inside.as_deref() {
            Some([]) => true,
            Some([part]) => self.file.is_none() && PARTS.contains(part),
            _ => false,
        }
    }

    /// Whether it leads to the maildrop.
    pub(super) fn leads_to(&self, user: &str, path: &str) -> bool {
        let names: Vec<_> = path.split('/').collect();
        self.directory(user).starts_with(&names)
    }

    /// The names below the user's directory; none if the path does not lie there.
    fn inside<'p>(&'p self, user: &'p str, path: &'p str) -> Option<Vec<&'p str>> {
        let names = path.split('/').filter(|_| !path.is_empty());
        let names: Vec<_> = names.collect();
        let inside = names.strip_prefix(self.directory(user).as_slice())?;
        Some(inside.to_vec())
    }
}

impl Name {
    fn of<'n>(&'n self, user: &'n str) -> &'n str {
        match self {
            Self::Text(text) => text,
            Self::User => user,
        }
    }
}

/// Directories of a Maildir in which messages are.
const PARTS: [&str; 3] = ["new", "cur", "tmp"];
/// How files begin that lie beside them: ours, Dovecot's and Courier's.
const BESIDE: [&str; 3] = ["restante-", "dovecot-uidlist", "courierpop3dsizelist"];

/// Whether a name is that of an mbox, of its lock, of a lock that is put aside, or of its journal.
fn is_of_mbox(name: &str, file: &str) -> bool {
    if name == file || name == format!(".{file}.restante") {
        return true;
    }
    let lock = name
        .strip_prefix(file)
        .and_then(|it| it.strip_prefix(".lock"));
    lock.is_some_and(|rest| rest.is_empty() || is_aside(rest))
}

/// `.PROCESS.TIME`.
fn is_aside(rest: &str) -> bool {
    let numbers = rest.strip_prefix('.').and_then(|it| it.split_once('.'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    numbers.is_some_and(|(process, time)| is_number(process) && is_number(time))
}

fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_where_maildrops_are() {
        for (path, kept, root, of_bob) in [
            (
                "/home/{local}/Maildir",
                Kept::Maildir,
                "/home",
                ("bob/Maildir", ""),
            ),
            (
                "/home/{name}/mail/inbox",
                Kept::Mbox,
                "/home",
                ("bob/mail", "inbox"),
            ),
            ("/var/mail/{local}", Kept::Mbox, "/var/mail", ("", "bob")),
            ("/{local}", Kept::Maildir, "/", ("bob", "")),
        ] {
            let home = Home::new(path, kept).unwrap();
            assert_eq!(home.root(), Path::new(root));
            let (directory, file) = home.of("bob");
            assert_eq!((&*directory, &*file), of_bob, "{path}");
        }
    }

    #[test]
    fn what_keeps_users_apart_badly_is_no_home() {
        for path in [
            "",
            "home/{local}",
            "/home/Maildir",
            "/home/{domain}/{local}",
            "/home/u-{local}",
            "/home/{local}.mbox",
            "/home/../{local}",
        ] {
            assert!(Home::new(path, Kept::Maildir).is_err(), "{path}");
        }
    }

    #[test]
    fn only_what_is_of_the_maildrop_belongs_to_it() {
        let maildir = Home::new("/home/{local}/Maildir", Kept::Maildir).unwrap();
        let spool = Home::new("/var/mail/{local}", Kept::Mbox).unwrap();
        let mbox = Home::new("/home/{local}/mail/inbox", Kept::Mbox).unwrap();
        for (home, path) in [
            (&maildir, "bob/Maildir/restante-lock"),
            (&maildir, "bob/Maildir/dovecot-uidlist.lock"),
            (&maildir, "bob/Maildir/courierpop3dsizelist"),
            (&maildir, "bob/Maildir/cur/1.M1P1.host:2,S"),
            (&spool, "bob"),
            (&spool, "bob.lock"),
            (&spool, "bob.lock.77.123"),
            (&spool, ".bob.restante"),
            (&mbox, "bob/mail/inbox"),
            (&mbox, "bob/mail/inbox.lock.7.8"),
        ] {
            assert!(home.is_file("bob", path), "{path}");
            assert!(!home.is_directory("bob", path), "{path}");
        }
        for (home, path) in [
            (&maildir, "bob/Maildir"),
            (&maildir, "bob/Maildir/new"),
            (&spool, ""),
            (&mbox, "bob/mail"),
        ] {
            assert!(home.is_directory("bob", path), "{path}");
            // No directory is put into another one's place.
            assert!(!home.is_file("bob", path), "{path}");
        }
        for (home, path) in [
            (&maildir, ""),
            (&maildir, "bob"),
            (&maildir, "bob/.ssh/authorized_keys"),
            (&maildir, "eve/Maildir/new/1"),
            (&maildir, "bob/Maildir/"),
            (&maildir, "bob/Maildir/.."),
            (&maildir, "bob/Maildir/.forward"),
            (&maildir, "bob/Maildir/.Sent"),
            (&maildir, "bob/Maildir/../../eve"),
            (&maildir, "bob/Maildir/new/"),
            (&maildir, "bob/Maildir/new/.."),
            (&maildir, "bob/Maildir/new/a/b"),
            (&maildir, "bob/Maildir/.Sent/1"),
            (&maildir, "bob/Maildir/restante-x/1"),
            (&maildir, "/bob/Maildir/new/1"),
            (&spool, "eve"),
            (&spool, "bobby"),
            (&spool, "bob.smith"),
            (&spool, "bob.lock.smith"),
            (&spool, "bob.lock.7."),
            (&spool, ".bob"),
            (&spool, ".bob.restante.x"),
            (&spool, "bob/.."),
            (&spool, "bob/x"),
            (&spool, ".."),
            (&spool, "new"),
            (&mbox, "bob"),
            (&mbox, "bob/mail/.bashrc"),
            (&mbox, "bob/mail/new"),
            (&mbox, "bob/.bashrc"),
        ] {
            assert!(!home.is_file("bob", path), "{path}");
            assert!(!home.is_directory("bob", path), "{path}");
        }
        assert!(maildir.leads_to("bob", "bob"));
        assert!(maildir.leads_to("bob", "bob/Maildir"));
        assert!(!maildir.leads_to("bob", "eve"));
        assert!(!maildir.leads_to("bob", "bob/.ssh"));
        assert!(!maildir.leads_to("bob", ""));
    }
}
