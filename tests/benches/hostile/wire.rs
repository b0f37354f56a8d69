//! Lines over a stream, for both sides of the crowd: the good and the bad.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};

/// Connects from an address of its own: every address of 127/8 is this machine.
pub(crate) async fn connect(to: SocketAddr, from: Ipv4Addr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(IpAddr::V4(from), 0))?;
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The n-th stranger's address; none of them is 127.0.0.1, from where the real sessions come.
pub(crate) fn stranger(number: usize) -> Ipv4Addr {
    let [_, b, c, d] = u32::try_from(number + 1).unwrap().to_be_bytes();
    Ipv4Addr::new(127, b + 1, c, d)
}

/// A conversation line by line.
pub(crate) struct Wire<S>(pub(crate) BufReader<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    /// One line without its end; an error at the end of the stream.
    pub(crate) async fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    /// Sends a command and returns the status line.
    pub(crate) async fn ask(&mut self, command: &str) -> io::Result<String> {
        let line = format!("{command}\r\n");
        self.0.get_mut().write_all(line.as_bytes()).await?;
        self.0.get_mut().flush().await?;
        self.line().await
    }
}
