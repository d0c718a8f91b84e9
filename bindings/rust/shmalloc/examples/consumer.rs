//! Receives pieces through a channel until it is closed, and checks that each is as it was sent.
//!
//! `consumer HANDLE_TEXT`, where the handle is that of the channel's storage. Each record is three numbers of 8 bytes, little-endian: the
//! number of the piece, its length, and the wrapping sum of its words.
use shmalloc::{Channel, Storage};
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    match consume() {
        Ok((pieces, bytes)) => {
            println!("Rust: {pieces} pieces, {bytes} bytes, all as sent");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("Rust: {error}");
            ExitCode::FAILURE
        }
    }
}

fn consume() -> Result<(u64, u64), Box<dyn Error>> {
    let text = std::env::args().nth(1).ok_or("the handle of a channel is missing")?;
    let channel = Channel::open(&Storage::from_text(&text)?)?;
    println!("ready");
    io::stdout().flush()?;

    let (mut pieces, mut bytes) = (0, 0);
    for message in &channel {
        let message = message?;
        let fields: Vec<u64> = words(&message.record).collect();
        if let ([number, length, sum], Some(storage)) = (&fields[..], message.storage) {
            if wrapping_sum(&storage, *length)? != *sum {
                return Err(format!("piece {number} is not as sent").into());
            }
            pieces += 1;
            bytes += length;
        } else {
            return Err("a record without its three numbers, or without a storage".into());
        }
    }
    Ok((pieces, bytes))
}

/// Sum of the first `length` bytes, as numbers of 8 bytes. They are read through a view, some at a time: a sender could still write them.
fn wrapping_sum(storage: &Storage, length: u64) -> shmalloc::Result<u64> {
    let view = storage.view()?;
    let (mut buffer, mut sum, mut offset) = ([0; 16384], 0_u64, 0);
    while offset < length as usize {
        let part = buffer.len().min(length as usize - offset);
        view.read_at(offset, &mut buffer[..part])?;
        sum = words(&buffer[..part]).fold(sum, u64::wrapping_add);
        offset += part;
    }
    Ok(sum)
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    bytes.chunks_exact(8).map(|word| word.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}
