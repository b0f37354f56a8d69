//! One connection: a socket, in clear or inside TLS, and two buffers. The only code that reads
//! from and writes to peers.
//!
//! The buffers exist while there is something in them: a connection that waits for its peer holds
//! the octets of an unfinished line and nothing else, so ten thousand idle sessions cost little.
//! Every wait has an end: reads end when the caller's deadline does, writes when the peer does not
//! read for `write_timeout`, both when the server is told to cut.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, Write as _};
use std::mem::MaybeUninit;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::{self, SendFlags, Shutdown};
use rustls::pki_types::CertificateDer;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;
use tracing::debug;
use zeroize::Zeroize as _;

use crate::buffers::{Buffers, LongLine};
use crate::control::Phase;
use crate::log::End;
use crate::tls;

/// A connected socket.
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// What octets travel through.
enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

/// A connection and its buffers.
pub(crate) struct Connection {
    stream: Stream,
    /// Octets that the peer has sent and nobody has consumed.
    pub(crate) input: Vec<u8>,
    /// Octets for the peer that have not been written.
    pub(crate) output: Vec<u8>,
    buffers: Arc<Buffers>,
    long_line: LongLine,
    phase: watch::Receiver<Phase>,
    write_timeout: Duration,
}

impl Connection {
    pub(crate) fn new(
        socket: Socket,
        buffers: Arc<Buffers>,
        phase: watch::Receiver<Phase>,
        write_timeout: Duration,
    ) -> Self {
        Self {
            stream: Stream::Plain(socket),
            input: Vec::new(),
            output: Vec::new(),
            buffers,
            long_line: LongLine::default(),
            phase,
            write_timeout,
        }
    }

    /// Gives the output a buffer, if it has none.
    pub(crate) fn equip(&mut self) {
        if self.output.capacity() == 0 {
            self.output = self.buffers.take();
        }
    }

    /// So many octets of the input are done with. They may have held a password: they are zeroed.
    pub(crate) fn consume(&mut self, octets: usize) {
        self.input[..octets].zeroize();
        if octets == self.input.len() {
            self.input.clear();
        } else {
            self.input.drain(..octets);
        }
    }

    /// Waits for input and appends it, unless `over` ends first.
    pub(crate) async fn read(&mut self, over: impl Future<Output = End>) -> Result<(), End> {
        self.rest();
        if self.input.len() > INPUT_OCTETS_MAX {
            // A session consumes or refuses long before; this only bounds a fault of ours.
            return Err(End::Fault);
        }
        self.long_line
            .hold(self.input.len(), &self.buffers)
            .map_err(|_| End::NoRoom)?;
        tokio::select! {
            biased;
            // First: where input is always there, reading never waits, and nobody else would look.
            end = over => Err(end),
            read = self.read_some(READ_OCTETS) => read,
        }
    }

    /// Waits for input and appends at most so many octets of it; the rest stays where it is.
    pub(crate) async fn read_some(&mut self, octets: usize) -> Result<(), End> {
        match self.fill(octets).await {
            Ok(0) => Err(End::Lost),
            Ok(_) => Ok(()),
            Err(error) => {
                debug!(%error, "connection lost while reading");
                Err(End::Lost)
            }
        }
    }

    /// Writes all of the output.
    pub(crate) async fn flush(&mut self) -> Result<(), End> {
        let mut written = 0;
        while written < self.output.len() {
            let step = self.stream.write(&self.output[written..]);
            match within(step, &self.phase, self.write_timeout).await? {
                0 => return Err(End::Lost),
                octets => written += octets,
            }
        }
        // TLS keeps octets back until it is flushed.
        within(self.stream.flush(), &self.phase, self.write_timeout).await?;
        self.output.clear();
        Ok(())
    }

    /// Writes the output, and with it some of what `show` puts into a buffer that all connections of this
    /// thread use, as soon as the peer has room; returns how many of those octets. None if `show` has
    /// nothing to show, or if there is more output than may leave like this; nothing has been written then.
    ///
    /// What a peer has no room for is not kept here: only the output is.
    pub(crate) async fn write_some(
        &mut self,
        mut show: impl FnMut(&mut [u8]) -> Option<Range<usize>>,
    ) -> Result<Option<usize>, End> {
        // The end of the output may be a status line that can still become a refusal.
        if self.output.len() > HEAD_OCTETS {
            return Ok(None);
        }
        // To a peer that reads as fast as we write nothing is ever waited for.
        if *self.phase.borrow() == Phase::Cut {
            return Err(End::Cut);
        }
        let Self {
            stream,
            input,
            output,
            buffers,
            ..
        } = self;
        let step = poll_fn(|context| {
            let tried = poll_write_some(stream, output, &mut show, context);
            if tried.is_pending() {
                input.shrink_to_fit();
                condense(output, buffers);
            }
            tried
        });
        within(step, &self.phase, self.write_timeout).await
    }

    /// The server's side of a TLS handshake, unless `over` ends first. What was read in clear must have
    /// been consumed: nothing of it may count inside TLS (RFC 2595 §4).
    ///
    /// The output is what the server says first inside TLS. It leaves as soon as the keys for it are there,
    /// together with the server's last words of the handshake: see [`tls`] for whom that may be.
    pub(crate) async fn start_tls(
        mut self,
        acceptor: &tls::Acceptor,
        limit: Duration,
        over: impl Future<Output = End>,
    ) -> Result<Self, End> {
        let Stream::Plain(socket) = self.stream else {
            return Err(End::Fault);
        };
        if !self.input.is_empty() {
            return Err(End::Injection);
        }
        let mut held = Ok(());
        let handshake = acceptor.tls.accept_with(socket, |session| {
            held = session.writer().write_all(&self.output);
        });
        if held.is_err() {
            // It is less than a session holds.
            return Err(End::Fault);
        }
        self.buffers.give(std::mem::take(&mut self.output));
        let accepted = tokio::select! {
            accepted = timeout(limit, handshake) => accepted,
            () = cut(&self.phase) => return Err(End::Cut),
            end = over => return Err(end),
        };
        let stream = match accepted {
            Ok(Ok(stream)) => Stream::Tls(Box::new(stream)),
            Ok(Err(error)) => {
                debug!(%error, "TLS handshake failed");
                return Err(End::Handshake);
            }
            Err(_) => return Err(End::Handshake),
        };
        Ok(Self { stream, ..self })
    }

    /// TLS version and cipher suite.
    pub(crate) fn tls(&self) -> Option<(&'static str, &'static str)> {
        match &self.stream {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => Some(tls::negotiated(stream.get_ref().1)),
        }
    }

    /// The TLS channel's name for `tls-exporter` (RFC 9266).
    pub(crate) fn tls_exporter(&self) -> Option<Vec<u8>> {
        match &self.stream {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => tls::exporter(stream.get_ref().1),
        }
    }

    /// The certificate that the client has shown, if it has; it is verified.
    pub(crate) fn peer_certificate(&self) -> Option<&CertificateDer<'static>> {
        match &self.stream {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => stream.get_ref().1.peer_certificates()?.first(),
        }
    }

    /// Ends the connection of a client that has said that it is done (RFC 1939 §6), with what is left of the
    /// output. The last reply and the end leave together, which wakes the client once and not twice: in
    /// clear in one segment, without any waiting if the client has said nothing more; inside TLS in one
    /// write, and then it answers the end of TLS.
    pub(crate) async fn leave(mut self) -> Result<(), End> {
        match &mut self.stream {
            Stream::Plain(socket) => {
                let is_silent = self.input.is_empty() && socket.is_silent();
                if is_silent
                    && (self.output.is_empty() || socket.say_with_the_end(&mut self.output))
                {
                    return Ok(());
                }
            }
            Stream::Tls(stream) => {
                let session = stream.get_mut().1;
                let taken = session.writer().write(&self.output).unwrap_or(0);
                if taken == self.output.len() {
                    session.send_close_notify();
                }
                self.output.drain(..taken);
            }
        }
        self.flush().await?;
        self.close().await;
        Ok(())
    }

    /// Ends the connection in good order: TLS says that this is the end (RFC 8446 §6.1), and what the
    /// peer is still sending is read away for a moment, since closing with unread input would make
    /// the system throw our last reply away.
    pub(crate) async fn close(mut self) {
        let _ = timeout(LINGER, async {
            if self.stream.shutdown().await.is_err() {
                return;
            }
            let mut discarded = 0;
            let mut space = [0; 1024];
            while discarded < LINGER_OCTETS_MAX {
                match self.stream.socket().read(&mut space).await {
                    Ok(0) | Err(_) => return,
                    Ok(octets) => discarded += octets,
                }
            }
        })
        .await;
    }

    /// Ends the connection without a word, after a time limit or when the peer is gone. TLS still
    /// says that nothing was cut off, if that can be said without waiting.
    pub(crate) async fn abandon(mut self) {
        if let Stream::Tls(stream) = &mut self.stream {
            let _ = timeout(Duration::from_millis(50), stream.shutdown()).await;
        }
    }

    /// Ends the connection without `close_notify`: the peer must not take what it has for whole.
    pub(crate) fn cut(self) {
        drop(self);
    }

    /// Reads once and appends. The space to read into is on the stack and only while octets are
    /// there to be read.
    async fn fill(&mut self, octets: usize) -> io::Result<usize> {
        let Self { stream, input, .. } = self;
        poll_fn(|context| {
            let mut space = [MaybeUninit::uninit(); READ_OCTETS];
            let mut read = ReadBuf::uninit(&mut space[..octets.min(READ_OCTETS)]);
            ready!(Pin::new(&mut *stream).poll_read(context, &mut read))?;
            input.extend_from_slice(read.filled());
            let octets = read.filled().len();
            // It may have been a password.
            read.filled_mut().zeroize();
            Poll::Ready(Ok(octets))
        })
        .await
    }

    /// Gives back what is not needed while the peer is silent.
    fn rest(&mut self) {
        if self.output.is_empty() {
            self.buffers.give(std::mem::take(&mut self.output));
        }
        self.input.shrink_to_fit();
    }
}

/// Does what [`Connection::write_some`] does, if there is room now.
fn poll_write_some(
    stream: &mut Stream,
    output: &mut Vec<u8>,
    show: &mut impl FnMut(&mut [u8]) -> Option<Range<usize>>,
    context: &mut Context<'_>,
) -> Poll<io::Result<Option<usize>>> {
    ready!(stream.poll_room(context))?;
    SHARED.with_borrow_mut(|buffer| {
        buffer.resize(HEAD_OCTETS + SHARED_OCTETS, 0);
        let Some(shown) = show(&mut buffer[HEAD_OCTETS..]) else {
            return Poll::Ready(Ok(None));
        };
        let (start, end) = (HEAD_OCTETS + shown.start, HEAD_OCTETS + shown.end);
        let from = start - output.len();
        buffer[from..start].copy_from_slice(output);
        let written = ready!(Pin::new(stream).poll_write(context, &buffer[from..end]))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        let head = written.min(output.len());
        output.drain(..head);
        Poll::Ready(Ok(Some(written - head)))
    })
}

/// Makes an output that has to wait as small as it can be.
fn condense(output: &mut Vec<u8>, buffers: &Buffers) {
    if output.capacity() > output.len() {
        let kept = output.as_slice().to_vec();
        buffers.give(std::mem::replace(output, kept));
    }
}

thread_local! {
    /// See [`Connection::write_some`].
    static SHARED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A step of writing, for as long as a peer that does not read is waited for.
async fn within<T>(
    step: impl Future<Output = io::Result<T>>,
    phase: &watch::Receiver<Phase>,
    limit: Duration,
) -> Result<T, End> {
    let step = tokio::select! {
        biased;
        step = step => step,
        () = cut(phase) => return Err(End::Cut),
        () = sleep(limit) => return Err(End::WriteTimeout),
    };
    step.map_err(|error| {
        debug!(%error, "connection lost while writing");
        End::Lost
    })
}

/// Resolves when sessions must end now.
pub(crate) async fn cut(phase: &watch::Receiver<Phase>) {
    // An error means that the server is gone: the same.
    let _ = phase.clone().wait_for(|now| *now == Phase::Cut).await;
}

/// Resolves when sessions must come to an end.
pub(crate) async fn draining(phase: &watch::Receiver<Phase>) {
    let _ = phase.clone().wait_for(|now| *now != Phase::Serving).await;
}

impl Socket {
    /// Whether nothing has come that nobody has read.
    fn is_silent(&self) -> bool {
        let mut octet = [MaybeUninit::uninit()];
        let peeked = match self {
            Self::Tcp(stream) => SockRef::from(stream).peek(&mut octet),
            Self::Unix(stream) => SockRef::from(stream).peek(&mut octet),
        };
        // An end is nothing to lose, either.
        match peeked {
            Ok(octets) => octets == 0,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }

    /// Says the last octets, and that they are, if that needs no waiting: the system keeps them for the
    /// moment between the two, and sends both in one segment. They are on their way then, whatever comes
    /// from the peer before the socket is closed. Whether it did; what it took in part is taken off.
    fn say_with_the_end(&self, octets: &mut Vec<u8>) -> bool {
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        let taken = match self {
            Self::Tcp(stream) => net::send(stream, octets, flags),
            Self::Unix(stream) => net::send(stream, octets, flags),
        };
        octets.drain(..taken.unwrap_or(0));
        let end = || match self {
            Self::Tcp(stream) => net::shutdown(stream, Shutdown::Write),
            Self::Unix(stream) => net::shutdown(stream, Shutdown::Write),
        };
        octets.is_empty() && end().is_ok()
    }

    /// Says one line if that needs no waiting; for peers that are turned away.
    pub(crate) fn say(&self, line: &[u8]) {
        let _ = match self {
            Self::Tcp(stream) => SockRef::from(stream).send(line),
            Self::Unix(stream) => SockRef::from(stream).send(line),
        };
    }
}

impl Stream {
    /// Ready when the peer has room for more, and nothing waits for it in between.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(Socket::Tcp(stream)) => stream.poll_write_ready(context),
            Self::Plain(Socket::Unix(stream)) => stream.poll_write_ready(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn socket(&mut self) -> &mut Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_mut().0,
        }
    }
}

macro_rules! pass_on {
    ($kind:ident { $($variant:ident),+ }) => {
        impl AsyncRead for $kind {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                space: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    $(Self::$variant(stream) => Pin::new(stream).poll_read(context, space),)+
                }
            }
        }

        impl AsyncWrite for $kind {
            fn poll_write(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                octets: &[u8],
            ) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    $(Self::$variant(stream) => Pin::new(stream).poll_write(context, octets),)+
                }
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                octets: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    $(Self::$variant(stream) => {
                        Pin::new(stream).poll_write_vectored(context, octets)
                    })+
                }
            }

            fn is_write_vectored(&self) -> bool {
                match self {
                    $(Self::$variant(stream) => stream.is_write_vectored(),)+
                }
            }

            fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    $(Self::$variant(stream) => Pin::new(stream).poll_flush(context),)+
                }
            }

            fn poll_shutdown(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    $(Self::$variant(stream) => Pin::new(stream).poll_shutdown(context),)+
                }
            }
        }
    };
}

pass_on!(Socket { Tcp, Unix });
pass_on!(Stream { Plain, Tls });

/// Room for what is written at once of a message, for all connections of a thread: eight blocks of 64 KiB
/// and what is before them in the file, or after them on the wire.
const SHARED_OCTETS: usize = (512 + 4) << 10;

/// Before it, room for the output.
const HEAD_OCTETS: usize = (32 + 4) << 10;

/// Most octets of one read: what a pipelining client or a delivery sends at once.
const READ_OCTETS: usize = 16 << 10;

/// No session leaves so much input unconsumed: the longest line is a SASL response of 64 KiB.
const INPUT_OCTETS_MAX: usize = 256 << 10;

/// How long we wait for the peer to close after our last reply.
const LINGER: Duration = Duration::from_secs(1);

/// How much of what the peer is still sending is read away meanwhile.
const LINGER_OCTETS_MAX: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Connection, UnixStream, watch::Sender<Phase>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (tell, phase) = watch::channel(Phase::Serving);
        let connection = Connection::new(
            Socket::Unix(ours),
            Arc::default(),
            phase,
            Duration::from_millis(200),
        );
        (connection, theirs, tell)
    }

    #[tokio::test]
    async fn an_idle_connection_holds_an_unfinished_line_and_nothing_else() {
        let (mut connection, mut peer, _tell) = pair();
        connection.equip();
        connection.output.extend_from_slice(&[b'x'; 4096]);
        connection.flush().await.unwrap();
        peer.write_all(b"NOOP\r\nRET").await.unwrap();
        connection.read(std::future::pending()).await.unwrap();
        connection.consume(6);
        let idle = async { End::Idle };
        assert_eq!(connection.read(idle).await, Err(End::Idle));
        assert_eq!(connection.input, b"RET");
        assert_eq!(connection.input.capacity(), 3);
        assert_eq!(connection.output.capacity(), 0);
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_meets_the_write_timeout() {
        let (mut connection, _peer, _tell) = pair();
        connection.output = vec![b'x'; 4 << 20];
        assert_eq!(connection.flush().await, Err(End::WriteTimeout));
    }

    #[tokio::test]
    async fn a_cut_ends_a_write_that_waits() {
        let (mut connection, _peer, tell) = pair();
        connection.output = vec![b'x'; 4 << 20];
        let cut = async {
            sleep(Duration::from_millis(20)).await;
            tell.send_replace(Phase::Cut);
        };
        let (flushed, ()) = tokio::join!(connection.flush(), cut);
        assert_eq!(flushed, Err(End::Cut));
    }

    #[tokio::test]
    async fn who_has_no_room_for_a_long_message_keeps_no_buffer() {
        let (mut connection, _peer, _tell) = pair();
        connection.equip();
        connection.output.extend_from_slice(&[b'x'; 4096]);
        connection.flush().await.unwrap();
        let all = |buffer: &mut [u8]| Some(0..buffer.len());
        while connection.write_some(all).await != Err(End::WriteTimeout) {}
        assert_eq!(connection.output.capacity(), 0);
    }

    #[tokio::test]
    async fn the_last_reply_arrives_whether_or_not_more_was_said() {
        for said_more in [false, true] {
            let (mut connection, mut peer, _tell) = pair();
            if said_more {
                peer.write_all(b"NOOP\r\n").await.unwrap();
            }
            connection.output = b"+OK bye\r\n".to_vec();
            let heard = async {
                let mut heard = Vec::new();
                peer.read_to_end(&mut heard).await.unwrap();
                drop(peer);
                heard
            };
            let (left, heard) = tokio::join!(connection.leave(), heard);
            assert_eq!(left, Ok(()), "{said_more}");
            assert_eq!(heard, b"+OK bye\r\n", "{said_more}");
        }
    }

    #[tokio::test]
    async fn a_last_reply_that_needs_room_waits_for_it() {
        let (mut connection, _peer, _tell) = pair();
        connection.output = vec![b'x'; 4 << 20];
        assert_eq!(connection.leave().await, Err(End::WriteTimeout));

        let (mut connection, mut peer, _tell) = pair();
        connection.output = vec![b'x'; 4 << 20];
        let heard = async {
            let mut heard = Vec::new();
            peer.read_to_end(&mut heard).await.unwrap();
            heard.len()
        };
        let (left, heard) = tokio::join!(connection.leave(), heard);
        assert_eq!((left, heard), (Ok(()), 4 << 20));
    }

    #[tokio::test]
    async fn the_output_leaves_before_what_is_shown_and_in_one_piece() {
        let (mut connection, mut peer, _tell) = pair();
        connection.output = b"+OK 5 octets\r\n".to_vec();
        let written = connection
            .write_some(|room| {
                room[7..12].copy_from_slice(b"hello");
                Some(7..12)
            })
            .await;
        assert_eq!(written, Ok(Some(5)));
        assert!(connection.output.is_empty());
        let mut heard = [0; 64];
        let octets = peer.read(&mut heard).await.unwrap();
        assert_eq!(&heard[..octets], b"+OK 5 octets\r\nhello");
        // With nothing to show, nothing leaves.
        connection.output = b"+OK\r\n".to_vec();
        assert_eq!(connection.write_some(|_| None).await, Ok(None));
        assert_eq!(connection.output, b"+OK\r\n");
    }

    #[tokio::test]
    async fn a_cut_ends_a_long_message_that_never_waits() {
        let (mut connection, _peer, tell) = pair();
        tell.send_replace(Phase::Cut);
        // There is room.
        let all = |buffer: &mut [u8]| Some(0..buffer.len());
        assert_eq!(connection.write_some(all).await, Err(End::Cut));
    }
}
