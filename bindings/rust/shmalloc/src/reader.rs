//! The bytes of a view in order.
use crate::{View, ViewMut};
use std::io::{self, Read, Seek, SeekFrom, Write};

/// Reads the bytes of a [`View`] in order.
#[derive(Debug)]
pub struct Reader<'view> {
    view: &'view View,
    position: u64,
}

/// Writes the bytes of a [`ViewMut`] in order; where it ends nothing more can be written.
#[derive(Debug)]
pub struct Writer<'view> {
    view: &'view ViewMut,
    position: u64,
}

impl<'view> Reader<'view> {
    pub(crate) fn new(view: &'view View) -> Self {
        Reader { view, position: 0 }
    }
}

impl<'view> Writer<'view> {
    pub(crate) fn new(view: &'view ViewMut) -> Self {
        Writer { view, position: 0 }
    }
}

/// Where a transfer of at most `wanted` bytes begins, and how many bytes it has.
fn part(view: &View, position: u64, wanted: usize) -> (usize, usize) {
    let offset = usize::try_from(position).map_or(view.len(), |position| position.min(view.len()));
    (offset, wanted.min(view.len() - offset))
}

/// Where a seek ends.
fn sought(view: &View, position: u64, to: SeekFrom) -> io::Result<u64> {
    let (base, change) = match to {
        SeekFrom::Start(position) => return Ok(position),
        SeekFrom::End(change) => (view.len() as u64, change),
        SeekFrom::Current(change) => (position, change),
    };
    let place = i128::from(base) + i128::from(change);
    u64::try_from(place).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a seek to before the first byte"))
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (offset, count) = part(self.view, self.position, buffer.len());
        self.view.read_at(offset, &mut buffer[..count])?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Reader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = sought(self.view, self.position, to)?;
        Ok(self.position)
    }
}

impl Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (offset, count) = part(self.view, self.position, bytes.len());
        self.view.write_at(offset, &bytes[..count])?;
        self.position += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Writer<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = sought(self.view, self.position, to)?;
        Ok(self.position)
    }
}
