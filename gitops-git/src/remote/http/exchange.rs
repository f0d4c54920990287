//! A request that is sent when its answer is read, as gix writes and reads it.

use std::io::{self, BufRead, BufReader, Cursor, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use ureq::Body;
use ureq::http::Response;

use super::Client;

pub(super) type Reading = Box<dyn BufRead + Send>;

/// A request whose body is written first, and sent when the answer is read.
pub(super) struct Exchange {
    client: Client,
    url: String,
    headers: Vec<String>,
    body: Vec<u8>,
    answer: Option<(Vec<u8>, Reading)>,
}

impl Exchange {
    /// Begins a request.
    pub(super) fn begin(client: &Client, url: &str, headers: Vec<String>) -> (Outgoing, Headers, Answer) {
        let exchange = Self { client: client.clone(), url: url.to_owned(), headers, body: Vec::new(), answer: None };
        let exchange = Arc::new(Mutex::new(exchange));
        let headers = Headers { exchange: Some(Arc::clone(&exchange)), lines: Cursor::default() };
        (Outgoing(Arc::clone(&exchange)), headers, Answer { exchange: Some(exchange), reader: None })
    }

    fn answer(&mut self) -> io::Result<&mut (Vec<u8>, Reading)> {
        let answer = match self.answer.take() {
            Some(answer) => answer,
            None => {
                let body = std::mem::take(&mut self.body);
                let sent = self.client.send(&self.url, &self.headers, Some(&body));
                parts(sent.map_err(|error| self.client.failed(error))?)
            }
        };
        Ok(self.answer.insert(answer))
    }
}

/// The body of a request, gathered.
pub(in crate::remote) struct Outgoing(Arc<Mutex<Exchange>>);

/// The header lines of an answer.
pub(in crate::remote) struct Headers {
    exchange: Option<Arc<Mutex<Exchange>>>,
    lines: Cursor<Vec<u8>>,
}

/// The body of an answer.
pub(in crate::remote) struct Answer {
    exchange: Option<Arc<Mutex<Exchange>>>,
    reader: Option<Reading>,
}

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).body.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Headers {
    pub(super) fn ready(lines: Vec<u8>) -> Self {
        Self { exchange: None, lines: Cursor::new(lines) }
    }
}

impl Answer {
    pub(super) fn ready(reader: Reading) -> Self {
        Self { exchange: None, reader: Some(reader) }
    }

    fn reader(&mut self) -> io::Result<&mut Reading> {
        let reader = match (self.reader.take(), self.exchange.take()) {
            (Some(reader), _) => reader,
            (None, Some(exchange)) => {
                let mut exchange = exchange.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::replace(&mut exchange.answer()?.1, Box::new(io::empty()))
            }
            (None, None) => Box::new(io::empty()),
        };
        Ok(self.reader.insert(reader))
    }
}

impl BufRead for Headers {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if let Some(exchange) = self.exchange.take() {
            let mut exchange = exchange.lock().unwrap_or_else(PoisonError::into_inner);
            self.lines = Cursor::new(exchange.answer()?.0.clone());
        }
        self.lines.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.lines.consume(amount);
    }
}

impl Read for Headers {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Answer {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader()?.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if let Some(reader) = &mut self.reader {
            reader.consume(amount);
        }
    }
}

impl Read for Answer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader()?.read(buffer)
    }
}

/// Splits an answer into its header lines and its body.
pub(super) fn parts(response: Response<Body>) -> (Vec<u8>, Reading) {
    let mut lines = Vec::new();
    for (name, value) in response.headers() {
        lines.extend_from_slice(name.as_str().as_bytes());
        lines.extend_from_slice(b": ");
        lines.extend_from_slice(value.as_bytes());
        lines.push(b'\n');
    }
    (lines, Box::new(BufReader::with_capacity(64 << 10, response.into_body().into_reader())))
}
