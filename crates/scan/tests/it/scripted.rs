//! Servers that say what a script says, and write down what they were sent.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What a server does with a request.
#[derive(Clone, Copy)]
pub(crate) enum Act {
    /// Says this and closes.
    Say(&'static [u8]),
    /// Says this and waits for the next request on the same connection.
    SayOn(&'static [u8]),
    /// Closes without a word.
    Close,
    /// Says nothing and keeps the connection.
    Hold,
    /// One byte, and then one each 20 ms, for ever.
    Drip,
}

/// What it does with which request.
pub(crate) type Script = fn(&[u8]) -> Act;

/// A server that plays a script, each connection in a thread of its own.
pub(crate) struct Scripted {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
    connections: Arc<Mutex<usize>>,
}

impl Scripted {
    /// Listens on `ip`; `greeting` is said at once.
    pub(crate) fn start(ip: &str, greeting: Option<&'static [u8]>, script: Script) -> Self {
        let listener = TcpListener::bind((ip, 0)).expect("a port for the test");
        let address = listener.local_addr().expect("its address");
        let heard = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let connections = Arc::new(Mutex::new(0));
        let (log, count) = (heard.clone(), connections.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                *count.lock().expect("not poisoned") += 1;
                let log = log.clone();
                thread::spawn(move || serve(stream, greeting, script, &log));
            }
        });
        Self { address, heard, connections }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request that came, in order.
    pub(crate) fn heard(&self) -> Vec<String> {
        let heard = self.heard.lock().expect("not poisoned");
        heard.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().expect("not poisoned")
    }
}

fn serve(
    mut stream: TcpStream,
    greeting: Option<&'static [u8]>,
    script: Script,
    log: &Mutex<Vec<Vec<u8>>>,
) {
    if let Some(greeting) = greeting {
        // Whoever left does not hear it.
        let _ = stream.write_all(greeting);
    }
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut bytes) {
        log.lock().expect("not poisoned").push(bytes[..read].to_vec());
        match script(&bytes[..read]) {
            Act::Say(answer) => {
                let _ = stream.write_all(answer);
                return;
            }
            Act::SayOn(answer) => {
                let _ = stream.write_all(answer);
            }
            Act::Close => return,
            Act::Hold => {}
            Act::Drip => {
                while stream.write_all(b"x").is_ok() {
                    thread::sleep(Duration::from_millis(20));
                }
                return;
            }
        }
    }
}
