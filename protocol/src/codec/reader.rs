//! Primitives out of borrowed bytes.

use crate::error::DecodeError;

/// A position in borrowed bytes. Every method names the field it reads, for the error.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

macro_rules! integer {
    ($name:ident, $type:ty) => {
        #[doc = concat!("A big-endian `", stringify!($type), "`.")]
        ///
        /// # Errors
        /// If the bytes end.
        pub fn $name(&mut self, field: &'static str) -> Result<$type, DecodeError> {
            Ok(<$type>::from_be_bytes(self.array(field)?))
        }
    };
}

impl<'a> Reader<'a> {
    /// Begins at the first of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// What has not been read yet.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many bytes have not been read yet.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// Whether everything has been read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// If there are fewer.
    pub fn bytes(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        match self.bytes.split_at_checked(count) {
            Some((head, tail)) => {
                self.bytes = tail;
                Ok(head)
            }
            None => Err(DecodeError::Truncated { field, needed: count, left: self.bytes.len() }),
        }
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// If there are fewer.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        match self.bytes.split_first_chunk::<N>() {
            Some((head, tail)) => {
                self.bytes = tail;
                Ok(*head)
            }
            None => Err(DecodeError::Truncated { field, needed: N, left: self.bytes.len() }),
        }
    }

    integer!(u8, u8);
    integer!(i8, i8);
    integer!(u16, u16);
    integer!(i16, i16);
    integer!(u32, u32);
    integer!(i32, i32);
    integer!(u64, u64);
    integer!(i64, i64);

    /// A byte that means true unless it is 0.
    ///
    /// # Errors
    /// If the bytes end.
    pub fn bool(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        Ok(self.u8(field)? != 0)
    }

    /// An `i32` that counts or measures and so may not be negative, nor above `limit`.
    ///
    /// # Errors
    /// If the bytes end, the number is negative or above the limit.
    pub fn length(&mut self, limit: usize, field: &'static str) -> Result<usize, DecodeError> {
        let value = self.i32(field)?;
        let length = usize::try_from(value)
            .map_err(|_| DecodeError::NegativeLength { field, value: i64::from(value) })?;
        if length > limit {
            return Err(DecodeError::TooLarge { field, value: length as u64, limit: limit as u64 });
        }
        Ok(length)
    }

    /// An array length (`InternalDataSerializer.readArrayLength`); `None` is a null array. Bounded by what is left:
    /// no element is smaller than nothing, so callers that allocate must bound by element size as well.
    ///
    /// # Errors
    /// If the bytes end or the length is negative.
    pub fn array_length(&mut self, field: &'static str) -> Result<Option<usize>, DecodeError> {
        match self.u8(field)? {
            0xff => Ok(None),
            0xfe => Ok(Some(usize::from(self.u16(field)?))),
            0xfd => self.length(usize::MAX, field).map(Some),
            short => Ok(Some(usize::from(short))),
        }
    }

    /// A byte array: array length, then that many bytes; `None` is null.
    ///
    /// # Errors
    /// If the bytes end or the length is negative.
    pub fn byte_array(&mut self, field: &'static str) -> Result<Option<&'a [u8]>, DecodeError> {
        match self.array_length(field)? {
            None => Ok(None),
            Some(length) => self.bytes(length, field).map(Some),
        }
    }

    /// An unsigned number of variable length: seven bits a byte, low group first.
    ///
    /// # Errors
    /// If the bytes end or the number needs more than 64 bits.
    pub fn unsigned_vl(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8(field)?;
            let group = u64::from(byte & 0x7f);
            if shift == 63 && group > 1 {
                return Err(DecodeError::Invalid { field, value: i64::from(byte) });
            }
            value |= group << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::TooLarge { field, value: u64::MAX, limit: u64::MAX })
    }

    /// Java's `readUTF`: a two-byte length and modified UTF-8, left encoded.
    ///
    /// # Errors
    /// If the bytes end.
    pub fn utf(&mut self, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let length = usize::from(self.u16(field)?);
        self.bytes(length, field)
    }

    /// Says that nothing may follow.
    ///
    /// # Errors
    /// If something does.
    pub const fn finish(&self, field: &'static str) -> Result<(), DecodeError> {
        match self.bytes.len() {
            0 => Ok(()),
            left => Err(DecodeError::LeftOver { field, left }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn array_lengths_in_all_four_forms() {
        let read = |bytes: &[u8]| Reader::new(bytes).array_length("n");
        assert_eq!(read(&[252]), Ok(Some(252)));
        assert_eq!(read(&[0xfe, 0xff, 0xff]), Ok(Some(65535)));
        assert_eq!(read(&[0xfd, 0, 1, 0, 0]), Ok(Some(65536)));
        assert_eq!(read(&[0xff]), Ok(None));
        assert!(matches!(read(&[0xfd, 0x80, 0, 0, 0]), Err(DecodeError::NegativeLength { .. })));
    }

    #[test]
    fn variable_length_numbers() {
        let read = |bytes: &[u8]| Reader::new(bytes).unsigned_vl("n");
        assert_eq!(read(&[0x7f]), Ok(127));
        assert_eq!(read(&[0xac, 0x02]), Ok(300));
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), Ok(u64::MAX));
        assert!(read(&[0xff; 10]).is_err());
        assert!(read(&[0x80]).is_err());
    }

    #[test]
    fn errors_name_the_field() {
        let error = Reader::new(&[1]).i32("part length").unwrap_err();
        assert_eq!(error.to_string(), "truncated: part length needs 4 bytes, 1 are left");
    }
}
