//! Integers as the text of PostgreSQL's arrays: `{1,-2,3}`.
//!
//! The Python form (`waymark.store.packing`) is the specification, byte for byte.

/// Bytes that one integer can take, with the comma behind it: a sign and 19 digits.
pub const INTEGER_BYTES: usize = 21;

/// Why a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A column's length is negative, or all of them are not as many as the values.
    Lengths,
    /// There is no room for the text, or not as many ends as columns.
    Room,
}

const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

/// How much room `columns` columns with `values` values together need at most.
pub fn room(values: usize, columns: usize) -> Option<usize> {
    values
        .checked_mul(INTEGER_BYTES)?
        .checked_add(columns.checked_mul(2)?)
}

/// Write the columns, one text behind the other, into `out`, and where each ends into `ends`.
///
/// `values` holds the columns one behind the other, `lengths` how long each is.
pub fn write_columns(
    values: &[i64],
    lengths: &[i64],
    out: &mut [u8],
    ends: &mut [i64],
) -> Result<(), Refusal> {
    let mut total = 0usize;
    for &length in lengths {
        let length = usize::try_from(length).map_err(|_| Refusal::Lengths)?;
        total = total.checked_add(length).ok_or(Refusal::Lengths)?;
    }
    if total != values.len() {
        return Err(Refusal::Lengths);
    }
    let needed = room(values.len(), lengths.len()).ok_or(Refusal::Room)?;
    if out.len() < needed || ends.len() != lengths.len() {
        return Err(Refusal::Room);
    }
    let (mut rest, mut at) = (values, 0);
    for (&length, end) in lengths.iter().zip(ends) {
        let column;
        (column, rest) = rest.split_at(length as usize);
        at = write_column(column, out, at);
        *end = at as i64;
    }
    Ok(())
}

fn write_column(column: &[i64], out: &mut [u8], mut at: usize) -> usize {
    out[at] = b'{';
    at += 1;
    for &value in column {
        at = write_integer(value, out, at);
        out[at] = b',';
        at += 1;
    }
    // The last comma gives its place to the brace.
    at -= usize::from(!column.is_empty());
    out[at] = b'}';
    at + 1
}

fn write_integer(value: i64, out: &mut [u8], mut at: usize) -> usize {
    let mut left = value.unsigned_abs();
    if value < 0 {
        out[at] = b'-';
        at += 1;
    }
    let mut digits = [0u8; 20];
    let mut first = digits.len();
    while left >= 100 {
        let pair = (left % 100) as usize * 2;
        left /= 100;
        first -= 2;
        digits[first..first + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    }
    if left >= 10 {
        let pair = left as usize * 2;
        first -= 2;
        digits[first..first + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    } else {
        first -= 1;
        digits[first] = b'0' + left as u8;
    }
    let count = digits.len() - first;
    out[at..at + count].copy_from_slice(&digits[first..]);
    at + count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(columns: &[&[i64]]) -> Vec<String> {
        let values = columns.concat();
        let lengths: Vec<i64> = columns.iter().map(|column| column.len() as i64).collect();
        let mut out = vec![0; room(values.len(), lengths.len()).unwrap()];
        let mut ends = vec![0; lengths.len()];
        write_columns(&values, &lengths, &mut out, &mut ends).unwrap();
        let mut from = 0;
        ends.iter()
            .map(|&end| {
                let text = String::from_utf8(out[from..end as usize].to_vec()).unwrap();
                from = end as usize;
                text
            })
            .collect()
    }

    /// What the standard library writes, for the same columns.
    fn expected(columns: &[&[i64]]) -> Vec<String> {
        columns
            .iter()
            .map(|column| {
                let numbers: Vec<String> = column.iter().map(i64::to_string).collect();
                format!("{{{}}}", numbers.join(","))
            })
            .collect()
    }

    #[test]
    fn every_number_of_digits_is_written() {
        let mut numbers = vec![0, i64::MIN, i64::MAX];
        let mut power = 1i64;
        while let Some(next) = power.checked_mul(10) {
            numbers.extend([power - 1, power, power + 1, -power, 1 - power, -power - 1]);
            power = next;
        }
        let columns: Vec<&[i64]> = vec![&numbers, &[], &numbers[..1]];
        assert_eq!(texts(&columns), expected(&columns));
    }

    #[test]
    fn shared_vectors_hold() {
        // Written by the Python form: numbers, a tab, and their text.
        let vectors = include_str!("../../../tests/vectors/integers.txt");
        let mut count = 0;
        for line in vectors.lines() {
            let (numbers, text) = line.split_once('\t').unwrap();
            let numbers: Vec<i64> = numbers
                .split_whitespace()
                .map(|n| n.parse().unwrap())
                .collect();
            assert_eq!(texts(&[&numbers]), [text]);
            count += 1;
        }
        assert!(count > 100);
    }

    #[test]
    fn random_columns_are_as_the_standard_library_writes_them() {
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..2_000 {
            let owned: Vec<Vec<i64>> = (0..next() % 6)
                .map(|_| {
                    (0..next() % 9)
                        .map(|_| (next() as i64) >> (next() % 64))
                        .collect()
                })
                .collect();
            let columns: Vec<&[i64]> = owned.iter().map(Vec::as_slice).collect();
            assert_eq!(texts(&columns), expected(&columns));
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let (mut out, mut ends) = ([0u8; 100], [0i64; 2]);
        let mut call = |values: &[i64], lengths: &[i64], room: usize, count: usize| {
            write_columns(values, lengths, &mut out[..room], &mut ends[..count])
        };
        assert_eq!(call(&[1, 2], &[1, 1], 46, 2), Ok(()));
        assert_eq!(call(&[1, 2], &[1, 1], 45, 2), Err(Refusal::Room));
        assert_eq!(call(&[1, 2], &[1, 1], 46, 1), Err(Refusal::Room));
        assert_eq!(call(&[1, 2], &[1, 2], 100, 2), Err(Refusal::Lengths));
        assert_eq!(call(&[1, 2], &[3, -1], 100, 2), Err(Refusal::Lengths));
        assert_eq!(
            call(&[1, 2], &[i64::MAX, i64::MAX], 100, 2),
            Err(Refusal::Lengths)
        );
    }
}
