//! Arrays in NumPy's file format (NPY version 1.0), written row by row: the number of rows is known at the end.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

/// Every header takes this much room, so that the last one fits where the first one was.
const HEADER_BYTES: usize = 128;

/// The type of an array's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// float32, little-endian.
    Float32,
    /// int64, little-endian.
    Int64,
    /// int8.
    Int8,
}

impl Kind {
    fn description(self) -> &'static str {
        match self {
            Self::Float32 => "<f4",
            Self::Int64 => "<i8",
            Self::Int8 => "|i1",
        }
    }
}

/// An array in the making. Until it is finished the file says that it has no rows.
#[derive(Debug)]
pub struct NpyWriter {
    file: BufWriter<File>,
    kind: Kind,
    columns: Option<usize>,
}

impl NpyWriter {
    /// Begins an array of shape `[rows]`, or `[rows, columns]`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(path: &Path, kind: Kind, columns: Option<usize>) -> io::Result<Self> {
        let mut file = BufWriter::with_capacity(1 << 18, File::create(path)?);
        file.write_all(&header(kind, 0, columns))?;
        Ok(Self { file, kind, columns })
    }

    /// Appends little-endian values. Whole rows are the caller's to see to.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Says how many rows were written, and that all of them are there.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(mut self, rows: u64) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header(self.kind, rows, self.columns))?;
        self.file.flush()
    }
}

/// Magic number, version, length of the description, the description (a Python literal), spaces, a line break.
fn header(kind: Kind, rows: u64, columns: Option<usize>) -> [u8; HEADER_BYTES] {
    let shape = columns.map_or_else(|| format!("({rows},)"), |columns| format!("({rows}, {columns})"));
    let text = format!("{{'descr': '{}', 'fortran_order': False, 'shape': {shape}, }}", kind.description());
    let mut header = [b' '; HEADER_BYTES];
    header[..8].copy_from_slice(b"\x93NUMPY\x01\x00");
    header[8..10].copy_from_slice(&(HEADER_BYTES as u16 - 10).to_le_bytes());
    header[10..10 + text.len()].copy_from_slice(text.as_bytes());
    header[HEADER_BYTES - 1] = b'\n';
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_file_is_what_numpy_saves() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let mut array = NpyWriter::create(&path, Kind::Float32, Some(2)).unwrap();
        for value in [1.0_f32, f32::NAN, -2.5, 0.0, 4.0, 5.0] {
            array.write(&value.to_le_bytes()).unwrap();
        }
        array.finish(3).unwrap();
        let written = std::fs::read(&path).unwrap();
        let header = b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }";
        assert_eq!(&written[..header.len()], header);
        assert_eq!((written.len(), written[127]), (128 + 24, b'\n'));
        assert_eq!(written[128 + 8..128 + 12], (-2.5_f32).to_le_bytes());
    }

    #[test]
    fn the_longest_header_fits() {
        let header = header(Kind::Int64, u64::MAX, Some(usize::MAX));
        assert!(header.ends_with(b" \n") && header[10..].starts_with(b"{'descr': '<i8',"));
    }
}
