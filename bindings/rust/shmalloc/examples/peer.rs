//! One side of the tests between languages: reads commands as lines, answers each with one line.
//!
//! `make NAME KIND SIZE SEED`, `share NAME`, `text NAME`, `open NAME TEXT`, `send FD NAME..`, `receive FD NAME..`, `check NAME SEED`,
//! `fill NAME SEED`, `release NAME`, `time OP N`, `quit`. An answer is `ok ..`, `bad INDEX` or `error STATUS message`.
use shmalloc::{Allocator, Channel, Handle, Kind, Storage};
use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::os::unix::io::BorrowedFd;
use std::time::Instant;

type Answer = Result<String, Failure>;

/// What a command failed with.
struct Failure {
    status: &'static str,
    message: String,
}

impl From<shmalloc::Error> for Failure {
    fn from(error: shmalloc::Error) -> Failure {
        Failure { status: error.status().name(), message: error.to_string() }
    }
}

fn unknown(message: impl Into<String>) -> Failure {
    Failure { status: "UNKNOWN", message: message.into() }
}

/// Nobody's memory is kept for handles that were given out.
fn unkept() -> shmalloc::ExportOptions {
    shmalloc::ExportOptions::new().time_to_live(shmalloc::Time::None)
}

/// Byte `i` is (i * 7 + seed) & 0xff, so that it comes again after 256 of them: one piece serves for every multiple of that.
const PIECE: usize = 1 << 16;

fn pattern(seed: usize) -> Vec<u8> {
    (0..PIECE).map(|index| (index * 7 + seed) as u8).collect()
}

fn fill(storage: &Storage, seed: usize) -> Answer {
    let (view, piece) = (storage.view_mut()?, pattern(seed));
    for offset in (0..view.len()).step_by(PIECE) {
        view.write_at(offset, &piece[..PIECE.min(view.len() - offset)])?;
    }
    Ok("ok".into())
}

fn check(storage: &Storage, seed: usize) -> Answer {
    let (view, piece, mut found) = (storage.view()?, pattern(seed), vec![0; PIECE]);
    for offset in (0..view.len()).step_by(PIECE) {
        let count = PIECE.min(view.len() - offset);
        view.read_at(offset, &mut found[..count])?;
        if let Some(index) = (0..count).find(|index| found[*index] != piece[*index]) {
            return Ok(format!("bad {}", offset + index));
        }
    }
    Ok("ok".into())
}

/// A number that a command has.
fn number(word: &str) -> Result<usize, Failure> {
    word.parse().map_err(|_| unknown(format!("{word} is no number")))
}

fn socket(word: &str) -> Result<BorrowedFd<'static>, Failure> {
    // SAFETY: a descriptor that was inherited, and that this process leaves open until its end.
    Ok(unsafe { BorrowedFd::borrow_raw(number(word)? as i32) })
}

#[derive(Default)]
struct Peer {
    allocators: HashMap<&'static str, Allocator>,
    storages: HashMap<String, Storage>,
}

impl Peer {
    fn storage(&self, name: &str) -> Result<&Storage, Failure> {
        self.storages.get(name).ok_or_else(|| unknown(format!("there is no storage {name}")))
    }

    fn keep(&mut self, name: &str, storage: Storage) {
        self.storages.insert(name.to_owned(), storage);
    }

    fn make(&mut self, kind: &str, size: usize) -> Result<Storage, Failure> {
        let (key, made) = match kind {
            "direct" => ("direct", Kind::Direct),
            "map" => ("map", Kind::Map),
            "map_refcounted" => ("map_refcounted", Kind::MapRefcounted),
            "shared" | "isolated" => ("shared", Kind::Shared),
            _ => return Err(unknown(format!("{kind} is no kind"))),
        };
        if !self.allocators.contains_key(key) {
            self.allocators.insert(key, Allocator::new(made)?);
        }
        Ok(self.allocators[key].options().isolated(kind == "isolated").create(size)?)
    }

    fn answer(&mut self, line: &str) -> Answer {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["make", name, kind, size, seed] => {
                let storage = self.make(kind, number(size)?)?;
                fill(&storage, number(seed)?)?;
                self.keep(name, storage);
            }
            ["share", name] => self.storage(name)?.share()?,
            ["text", name] => return Ok(format!("ok {}", unkept().export(self.storage(name)?)?.to_text()?)),
            ["open", name, text] => {
                let storage = Storage::import(text.parse::<Handle>()?)?;
                let size = storage.size();
                self.keep(name, storage);
                return Ok(format!("ok {size}"));
            }
            ["send", fd, ref names @ ..] => {
                let storages = names.iter().map(|name| self.storage(name)).collect::<Result<Vec<_>, _>>()?;
                unkept().send(socket(fd)?, &storages)?;
            }
            ["receive", fd, ref names @ ..] => {
                let storages = shmalloc::receive(socket(fd)?)?;
                if storages.len() != names.len() {
                    return Err(unknown(format!("{} storages came", storages.len())));
                }
                names.iter().zip(storages).for_each(|(name, storage)| self.keep(name, storage));
            }
            ["check", name, seed] => return check(self.storage(name)?, number(seed)?),
            ["fill", name, seed] => return fill(self.storage(name)?, number(seed)?),
            ["release", name] => {
                self.storage(name)?;
                self.storages.remove(name);
            }
            ["time", what, times] => return time(what, number(times)?),
            _ => return Err(unknown(format!("no such command: {line}"))),
        }
        Ok("ok".into())
    }
}

/// How long `times` calls take together.
fn time(what: &str, times: usize) -> Answer {
    match what {
        "version" => timed(times, || {
            shmalloc::version();
            Ok(())
        }),
        "create" => timed(times, || Storage::new(4096).map(drop)),
        "import" => {
            let storage = Storage::new(4096)?;
            let handle = storage.export()?;
            timed(times, || Storage::import(&handle).map(drop))
        }
        "view" => {
            let storage = Storage::new(4096)?;
            timed(times, || storage.view_mut()?.write_at(0, &[1]))
        }
        "send" => {
            let (channel, storage) = (Channel::new()?, Storage::new(4096)?);
            timed(times, || {
                channel.send(&storage, &[])?;
                channel.receive().map(drop)
            })
        }
        _ => Err(unknown(format!("{what} can not be timed"))),
    }
}

fn timed(times: usize, mut call: impl FnMut() -> shmalloc::Result<()>) -> Answer {
    let start = Instant::now();
    for _ in 0..times {
        call()?;
    }
    Ok(format!("ok {}", start.elapsed().as_nanos()))
}

fn main() -> io::Result<()> {
    let mut peer = Peer::default();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let quit = line.trim() == "quit";
        if quit {
            peer = Peer::default();
        }
        let answer = if quit { Ok("ok".into()) } else { peer.answer(&line) };
        let answer = answer.unwrap_or_else(|failure| format!("error {} {}", failure.status, failure.message));
        println!("{answer}");
        io::stdout().flush()?;
        if quit {
            break;
        }
    }
    Ok(())
}
