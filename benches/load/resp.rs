//! The protocol of Redis, as far as AUTH, GET and SET go.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::wire::{Client, Operation, Outcome, VALUE_BYTES, Wire};

/// A client that authenticates each connection, as Redis wants it.
pub(crate) struct RespClient {
    pub(crate) server: SocketAddr,
    pub(crate) password: String,
}

impl Client for RespClient {
    fn connect(&mut self) -> Outcome<(TcpStream, Box<dyn Wire>)> {
        let mut stream = TcpStream::connect(self.server)?;
        stream.set_nodelay(true)?;
        let mut out = Vec::new();
        command(&mut out, &[b"AUTH", self.password.as_bytes()]);
        stream.write_all(&out)?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        if &answer != b"+OK\r\n" {
            return Err(format!("AUTH was answered with {:?}", String::from_utf8_lossy(&answer)).into());
        }
        Ok((stream, Box::new(RespWire)))
    }
}

struct RespWire;

impl Wire for RespWire {
    fn request(&mut self, operation: Operation, key: &[u8], out: &mut Vec<u8>) {
        match operation {
            Operation::Get => command(out, &[b"GET", key]),
            Operation::Put => command(out, &[b"SET", key, &[0x5a; VALUE_BYTES]]),
        }
    }

    fn reply(&mut self, operation: Operation, input: &[u8]) -> Outcome<Option<usize>> {
        let expected: &[u8] = match operation {
            Operation::Get => b"$100\r\n",
            Operation::Put => b"+OK\r\n",
        };
        let Some(start) = input.get(..expected.len()) else { return Ok(None) };
        if start != expected {
            return Err(format!("answered with {:?}", String::from_utf8_lossy(start)).into());
        }
        let size = match operation {
            Operation::Get => expected.len() + VALUE_BYTES + 2,
            Operation::Put => expected.len(),
        };
        Ok((input.len() >= size).then_some(size))
    }
}

fn command(out: &mut Vec<u8>, words: &[&[u8]]) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "*{}\r\n", words.len());
    for word in words {
        let _ = write!(out, "${}\r\n", word.len());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}
