//! `restante bench`: the load generator, told what to do and asked what it saw.

mod watch;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bench::corpus::{self, Corpus, Format, Sizes};
use bench::{
    Account, Address, BenchError, Handshakes, Load, Outcome, Postbox, Progress, Target, Transport,
    Workload, page,
};
use indicatif::{ProgressBar, ProgressDrawTarget};

use crate::args;
use crate::failure::{Code, Failure};
use crate::output::{self, count, note, say};
use crate::user::password;

/// Runs one workload and prints its outcome, or makes mail, or a page from outcomes.
///
/// # Errors
///
/// When the server cannot be reached or gives a wrong answer, or the command line asks for what
/// cannot be.
pub(crate) fn bench(command: args::Bench) -> Result<(), Failure> {
    match command {
        args::Bench::Poll {
            server,
            measured,
            rate,
        } => {
            if rate.is_some_and(|rate| !(rate > 0.0 && rate <= 1e6)) {
                return Err(Failure::new(Code::Usage, "there is no such rate")
                    .remedy("--rate is a number of sessions a second, from above 0 to 1000000"));
            }
            on_server(&server, &measured, Workload::Poll { rate })
        }
        args::Bench::Retrieve {
            server,
            measured,
            window,
        } => on_server(&server, &measured, Workload::Retrieve { window }),
        args::Bench::List { server, measured } => on_server(&server, &measured, Workload::List),
        args::Bench::Drain {
            server,
            measured,
            window,
            yes,
        } => {
            if !yes {
                return Err(
                    Failure::new(Code::Usage, "this deletes all mail of the accounts")
                        .remedy("say --yes if that is what you want"),
                );
            }
            on_server(&server, &measured, Workload::Drain { window })
        }
        args::Bench::Idle { server, measured } => on_server(&server, &measured, Workload::Idle),
        args::Bench::Deliver(arguments) => deliver(&arguments),
        args::Bench::Corpus(arguments) => write_corpus(&arguments),
        args::Bench::Report { files, baseline } => {
            let mut outcomes = Vec::new();
            for file in &files {
                outcomes.extend(page::read(file)?);
            }
            let html = page::html(&outcomes, baseline.as_deref()).ok_or_else(|| {
                Failure::new(Code::Usage, "no outcome has the label of the baseline")
                    .remedy("name one of the labels that --label gave")
            })?;
            output::write(format_args!("{html}"))
        }
    }
}

fn on_server(
    server: &args::Server,
    measured: &args::Measured,
    workload: Workload,
) -> Result<(), Failure> {
    let password = password::given(&server.password)?.ok_or_else(|| {
        Failure::new(Code::Usage, "the password of the accounts is missing")
            .remedy("name a file with --password-file, or write it to standard input with --stdin")
    })?;
    let handshakes = match server.resume {
        true => Handshakes::Resumed,
        false => Handshakes::Full,
    };
    let transport = match &server.tls {
        Some(roots) => Transport::tls(roots, &server.tls_name, handshakes)?,
        None => Transport::Plain,
    };
    let target = Target {
        address: Target::resolve(&server.server)?,
        transport,
        users: names(&server.accounts)?,
        password,
        sources: server.sources,
        patience: Duration::from_secs(measured.patience.max(1)),
    };
    let connections = match workload {
        Workload::Poll { rate: Some(_) } => 64,
        _ => 4,
    };
    measure(measured, &server.server, connections, |load| {
        bench::run(&target, workload, load)
    })
}

/// Runs what is to be measured, shows how far it is, and prints what came of it.
fn measure(
    measured: &args::Measured,
    address: &str,
    connections: usize,
    run: impl FnOnce(&Load<'_>) -> Result<Outcome, BenchError>,
) -> Result<(), Failure> {
    let connections = measured.connections.unwrap_or(connections);
    if connections == 0 || measured.seconds == 0 {
        return Err(Failure::new(Code::Usage, "nothing would be measured")
            .remedy("--connections and --seconds are at least 1"));
    }
    let progress = Progress::default();
    let mut load = Load::new(
        connections,
        Duration::from_secs(measured.seconds),
        &progress,
    );
    load.server = match (&measured.cgroup, measured.pid) {
        (Some(directory), _) => Some(Account::Group(directory.clone())),
        (None, Some(id)) => Some(Account::Tree(id)),
        (None, None) => None,
    };
    load.label = measured.label.clone().unwrap_or_else(|| address.to_owned());
    load.case = measured.case.clone();
    if !measured.json {
        note!("measuring {address} for {} s …", measured.seconds);
    }
    // Before anything is measured: a run whose outcome is lost is a run for nothing.
    let record = match &measured.record {
        Some(file) => Some(open_record(file)?),
        None => None,
    };
    let outcome = watch::while_running(&progress, load.duration, || run(&load))?;
    if let Some(mut record) = record {
        let line = format!("{}\n", serde_json::json!(outcome));
        record.write_all(line.as_bytes()).map_err(|error| {
            let why = output::plain(&error);
            Failure::new(
                Code::InputOutput,
                format!("the outcome cannot be recorded: {why}"),
            )
        })?;
    }
    match measured.json {
        true => say!("{}", serde_json::json!(outcome)),
        false => say!("{outcome}"),
    }
}

fn open_record(file: &Path) -> Result<File, Failure> {
    let open = File::options().create(true).append(true).open(file);
    open.map_err(|error| {
        let why = output::plain(&error);
        Failure::new(
            Code::CannotCreate,
            format!("{} cannot be written: {why}", file.display()),
        )
        .remedy("name a file that you may write with --record")
    })
}

/// The accounts that are named, here and in a file.
fn names(accounts: &args::Accounts) -> Result<Vec<String>, Failure> {
    let mut names = accounts.users.clone();
    if let Some(file) = &accounts.users_file {
        let text = fs::read_to_string(file).map_err(|error| {
            let why = output::plain(&error);
            Failure::new(
                Code::NoInput,
                format!("{} cannot be read: {why}", file.display()),
            )
            .remedy("name a file with an account on each line")
        })?;
        let lines = text.lines().map(str::trim);
        names.extend(lines.filter(|line| !line.is_empty()).map(str::to_owned));
    }
    match names.is_empty() {
        true => Err(
            Failure::new(Code::Data, "there is no account in the file of accounts")
                .remedy("write one on each line"),
        ),
        false => Ok(names),
    }
}

fn deliver(arguments: &args::BenchDeliver) -> Result<(), Failure> {
    // No two runs deliver the same messages.
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let nanoseconds = since.map_or(0, |since| since.as_nanos());
    let postbox = Postbox {
        address: match arguments.server.contains('/') {
            true => Address::Unix(arguments.server.clone().into()),
            false => Address::Tcp(Target::resolve(&arguments.server)?),
        },
        recipients: names(&arguments.accounts)?,
        copies: arguments.copies,
        sizes: sizes(&arguments.sizes),
        corpus: format!("lmtp-{nanoseconds:x}"),
        messages: arguments.messages,
        patience: Duration::from_secs(arguments.measured.patience.max(1)),
    };
    measure(&arguments.measured, &arguments.server, 4, |load| {
        bench::deliver(&postbox, load)
    })
}

fn write_corpus(arguments: &args::Corpus) -> Result<(), Failure> {
    let name = match (&arguments.name, arguments.place.file_name()) {
        (Some(name), _) => name.clone(),
        (None, Some(name)) => name.to_string_lossy().into_owned(),
        (None, None) => "corpus".to_owned(),
    };
    let corpus = Corpus::new(&name, sizes(&arguments.sizes));
    let format = match arguments.format {
        args::CorpusFormat::Eml => Format::Eml,
        args::CorpusFormat::Maildir => Format::Maildir,
        args::CorpusFormat::MaildirSizes => Format::MaildirSizes,
        args::CorpusFormat::Mbox => Format::Mbox,
    };
    let place: &Path = &arguments.place;
    // Hidden by itself when standard error is no terminal.
    let bar = ProgressBar::with_draw_target(Some(arguments.messages), ProgressDrawTarget::stderr());
    corpus::write(&corpus, arguments.messages, format, place, |done| {
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    say!(
        "{} written to {}.",
        count(arguments.messages, "message", "messages"),
        place.display()
    )
}

fn sizes(arguments: &args::Sizes) -> Sizes {
    match arguments.mean {
        Some(mean) => Sizes::log_normal(arguments.size, mean),
        None => Sizes::fixed(arguments.size),
    }
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        let what = output::without_numbers(&error.to_string());
        match error {
            BenchError::Address(_) | BenchError::ServerName(_) | BenchError::NotALine(_) => {
                Self::new(Code::Usage, what)
            }
            BenchError::NotLoopback(_) => Self::new(Code::Usage, what)
                .remedy("leave --sources out, or run this on the server's machine"),
            BenchError::Roots { .. } => Self::new(Code::NoInput, what)
                .remedy("name a PEM file with the certificate to trust"),
            BenchError::Connection(_) => Self::new(Code::Unavailable, what)
                .remedy("is the server running, and on this address?"),
            BenchError::Refused { .. } | BenchError::Broken(_) | BenchError::Wrong(_) => {
                Self::new(Code::Data, what).remedy("a server that answers wrongly is not measured")
            }
            BenchError::Empty(_) => {
                Self::new(Code::Data, what).remedy("deliver some mail to it first")
            }
            BenchError::NoProcess(_) => Self::new(Code::NoInput, what)
                .remedy("give the id of a running server, as root or its user"),
            BenchError::NoGroup { .. } => Self::new(Code::NoInput, what).remedy(
                "name a directory of a control group that has the cpu or cpuacct controller",
            ),
            BenchError::NotAReport { .. } => Self::new(Code::NoInput, what)
                .remedy("name files that `--record` has written, or `--json`"),
            BenchError::Unwritten { .. } => Self::new(Code::CannotCreate, what)
                .remedy("name a place that is not there yet, in a directory that you may write"),
        }
    }
}
