//! Metrics for whoever asks, over HTTP.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How long a client may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// A page that says the same to everybody, whatever they ask.
#[derive(Clone, Debug, Default)]
pub(super) struct Page(Arc<Mutex<Arc<str>>>);

impl Page {
    /// Serves at an address, one client after the other, for as long as the program runs.
    pub(super) fn serve(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let page = Self::default();
        let (shown, at) = (page.clone(), listener.local_addr()?);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A client that goes away misses its answer.
                shown.answer(client).unwrap_or_default();
            }
        });
        crate::say(&format!("metrics are at http://{at}/metrics\n"));
        Ok(page)
    }

    pub(super) fn show(&self, text: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = text.into();
    }

    fn answer(&self, mut client: TcpStream) -> io::Result<()> {
        client.set_read_timeout(Some(PATIENCE))?;
        client.set_write_timeout(Some(PATIENCE))?;
        // The head of a request; what is in it does not matter.
        if client.read(&mut [0; 4096])? == 0 {
            return Ok(());
        }
        let text = Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            text.len()
        );
        client.write_all(head.as_bytes())?;
        client.write_all(text.as_bytes())
    }
}
