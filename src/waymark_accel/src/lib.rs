//! What a flush of Waymark can have laid out in Rust, behind an interface of C.
//!
//! One call carries a whole batch. Nothing is kept between calls, every buffer belongs to the
//! caller, and whatever is wrong is answered with a code: no panic gets out.

mod text;

use std::panic::catch_unwind;
use std::slice::{from_raw_parts, from_raw_parts_mut};

pub use text::{INTEGER_BYTES, Refusal, room, write_columns};

/// Changes whenever a caller of an older form would go wrong.
pub const ABI: u32 = 1;

/// All went well.
pub const DONE: i32 = 0;
/// A pointer is null, or a buffer larger than memory can be.
pub const BAD_POINTER: i32 = 1;
/// The lengths of the columns do not fit the values.
pub const BAD_LENGTHS: i32 = 2;
/// The room for the answer is too small.
pub const NO_ROOM: i32 = 3;
/// A panic: a mistake in this library.
pub const BROKEN: i32 = 4;

/// The version of this interface.
#[unsafe(no_mangle)]
pub extern "C" fn waymark_abi() -> u32 {
    ABI
}

/// Columns of integers as texts of arrays. See `write_columns`.
///
/// # Safety
///
/// Each pointer is aligned and leads to as many elements as the number behind it says
/// (`columns` for both `lengths` and `ends`), which nobody else touches meanwhile, and no two
/// of the buffers overlap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn waymark_texts(
    values: *const i64,
    count: usize,
    lengths: *const i64,
    columns: usize,
    out: *mut u8,
    out_bytes: usize,
    ends: *mut i64,
) -> i32 {
    let most = isize::MAX as usize;
    let numbers = count.max(columns);
    if values.is_null() || lengths.is_null() || out.is_null() || ends.is_null() {
        return BAD_POINTER;
    }
    if numbers > most / size_of::<i64>() || out_bytes > most {
        return BAD_POINTER;
    }
    let written = catch_unwind(|| {
        // SAFETY: none is null, none is too large, and the caller answers for the rest.
        let (values, lengths, out, ends) = unsafe {
            (
                from_raw_parts(values, count),
                from_raw_parts(lengths, columns),
                from_raw_parts_mut(out, out_bytes),
                from_raw_parts_mut(ends, columns),
            )
        };
        write_columns(values, lengths, out, ends)
    });
    match written {
        Ok(Ok(())) => DONE,
        Ok(Err(Refusal::Lengths)) => BAD_LENGTHS,
        Ok(Err(Refusal::Room)) => NO_ROOM,
        Err(_) => BROKEN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr::{null, null_mut};

    #[test]
    fn null_and_endless_buffers_are_refused() {
        let (values, lengths) = ([1i64], [1i64]);
        let (mut out, mut ends) = ([0u8; 23], [0i64; 1]);
        let mut call = |values: *const i64, count: usize, out_bytes: usize, there: bool| {
            let end = if there { ends.as_mut_ptr() } else { null_mut() };
            // SAFETY: the buffers are those above; what is larger is refused before it is read.
            unsafe {
                let lengths = lengths.as_ptr();
                waymark_texts(values, count, lengths, 1, out.as_mut_ptr(), out_bytes, end)
            }
        };
        assert_eq!(call(values.as_ptr(), 1, 23, true), DONE);
        assert_eq!(call(values.as_ptr(), 1, 22, true), NO_ROOM);
        assert_eq!(call(null(), 1, 23, true), BAD_POINTER);
        assert_eq!(call(values.as_ptr(), 1, 23, false), BAD_POINTER);
        assert_eq!(call(values.as_ptr(), usize::MAX, 23, true), BAD_POINTER);
        assert_eq!(call(values.as_ptr(), 1, usize::MAX, true), BAD_POINTER);
        assert_eq!(&out, b"{1}\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    }
}
