//! The values of single characters that are numbers, from the Unicode Character Database: digits of every script, and in
//! the basic plane whatever else has a numeric value, such as `½`, `Ⅻ` and `五`.

/// The zeros of the decimal digits (general category Nd); the other nine follow each.
const ZEROS: [u32; 66] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66,
    0xde6, 0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
    0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
    0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650,
    0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50,
    0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

/// Digits that are part of no decimal system, such as superscripts: the first, how many follow upon each other, its value.
const DIGITS: [(u32, u32, u32); 16] = [
    (0xb2, 2, 2),
    (0xb9, 1, 1),
    (0x1369, 9, 1),
    (0x19da, 1, 1),
    (0x2070, 1, 0),
    (0x2074, 6, 4),
    (0x2080, 10, 0),
    (0x2460, 9, 1),
    (0x2474, 9, 1),
    (0x2488, 9, 1),
    (0x24ea, 1, 0),
    (0x24f5, 9, 1),
    (0x24ff, 1, 0),
    (0x2776, 9, 1),
    (0x2780, 9, 1),
    (0x278a, 9, 1),
];

/// Other numbers: the first, how many follow upon each other, its value as numerator and denominator.
const NUMBERS: [(u32, u32, i64, i64); 199] = [
    (0xb2, 2, 2, 1),
    (0xb9, 1, 1, 1),
    (0xbc, 1, 1, 4),
    (0xbd, 1, 1, 2),
    (0xbe, 1, 3, 4),
    (0x9f4, 1, 1, 16),
    (0x9f5, 1, 1, 8),
    (0x9f6, 1, 3, 16),
    (0x9f7, 1, 1, 4),
    (0x9f8, 1, 3, 4),
    (0x9f9, 1, 16, 1),
    (0xb72, 1, 1, 4),
    (0xb73, 1, 1, 2),
    (0xb74, 1, 3, 4),
    (0xb75, 1, 1, 16),
    (0xb76, 1, 1, 8),
    (0xb77, 1, 3, 16),
    (0xbf0, 1, 10, 1),
    (0xbf1, 1, 100, 1),
    (0xbf2, 1, 1000, 1),
    (0xc78, 4, 0, 1),
    (0xc7c, 3, 1, 1),
    (0xd58, 1, 1, 160),
    (0xd59, 1, 1, 40),
    (0xd5a, 1, 3, 80),
    (0xd5b, 1, 1, 20),
    (0xd5c, 1, 1, 10),
    (0xd5d, 1, 3, 20),
    (0xd5e, 1, 1, 5),
    (0xd70, 1, 10, 1),
    (0xd71, 1, 100, 1),
    (0xd72, 1, 1000, 1),
    (0xd73, 1, 1, 4),
    (0xd74, 1, 1, 2),
    (0xd75, 1, 3, 4),
    (0xd76, 1, 1, 16),
    (0xd77, 1, 1, 8),
    (0xd78, 1, 3, 16),
    (0xf2a, 1, 1, 2),
    (0xf2b, 1, 3, 2),
    (0xf2c, 1, 5, 2),
    (0xf2d, 1, 7, 2),
    (0xf2e, 1, 9, 2),
    (0xf2f, 1, 11, 2),
    (0xf30, 1, 13, 2),
    (0xf31, 1, 15, 2),
    (0xf32, 1, 17, 2),
    (0xf33, 1, -1, 2),
    (0x1369, 10, 1, 1),
    (0x1373, 1, 20, 1),
    (0x1374, 1, 30, 1),
    (0x1375, 1, 40, 1),
    (0x1376, 1, 50, 1),
    (0x1377, 1, 60, 1),
    (0x1378, 1, 70, 1),
    (0x1379, 1, 80, 1),
    (0x137a, 1, 90, 1),
    (0x137b, 1, 100, 1),
    (0x137c, 1, 10000, 1),
    (0x16ee, 3, 17, 1),
    (0x17f0, 10, 0, 1),
    (0x19da, 1, 1, 1),
    (0x2070, 1, 0, 1),
    (0x2074, 6, 4, 1),
    (0x2080, 10, 0, 1),
    (0x2150, 1, 1, 7),
    (0x2151, 1, 1, 9),
    (0x2152, 1, 1, 10),
    (0x2153, 1, 1, 3),
    (0x2154, 1, 2, 3),
    (0x2155, 1, 1, 5),
    (0x2156, 1, 2, 5),
    (0x2157, 1, 3, 5),
    (0x2158, 1, 4, 5),
    (0x2159, 1, 1, 6),
    (0x215a, 1, 5, 6),
    (0x215b, 1, 1, 8),
    (0x215c, 1, 3, 8),
    (0x215d, 1, 5, 8),
    (0x215e, 1, 7, 8),
    (0x215f, 1, 1, 1),
    (0x2160, 12, 1, 1),
    (0x216c, 1, 50, 1),
    (0x216d, 1, 100, 1),
    (0x216e, 1, 500, 1),
    (0x216f, 1, 1000, 1),
    (0x2170, 12, 1, 1),
    (0x217c, 1, 50, 1),
    (0x217d, 1, 100, 1),
    (0x217e, 1, 500, 1),
    (0x217f, 1, 1000, 1),
    (0x2180, 1, 1000, 1),
    (0x2181, 1, 5000, 1),
    (0x2182, 1, 10000, 1),
    (0x2185, 1, 6, 1),
    (0x2186, 1, 50, 1),
    (0x2187, 1, 50000, 1),
    (0x2188, 1, 100_000, 1),
    (0x2189, 1, 0, 1),
    (0x2460, 20, 1, 1),
    (0x2474, 20, 1, 1),
    (0x2488, 20, 1, 1),
    (0x24ea, 1, 0, 1),
    (0x24eb, 10, 11, 1),
    (0x24f5, 10, 1, 1),
    (0x24ff, 1, 0, 1),
    (0x2776, 10, 1, 1),
    (0x2780, 10, 1, 1),
    (0x278a, 10, 1, 1),
    (0x2cfd, 1, 1, 2),
    (0x3007, 1, 0, 1),
    (0x3021, 9, 1, 1),
    (0x3038, 1, 10, 1),
    (0x3039, 1, 20, 1),
    (0x303a, 1, 30, 1),
    (0x3192, 4, 1, 1),
    (0x3220, 10, 1, 1),
    (0x3248, 1, 10, 1),
    (0x3249, 1, 20, 1),
    (0x324a, 1, 30, 1),
    (0x324b, 1, 40, 1),
    (0x324c, 1, 50, 1),
    (0x324d, 1, 60, 1),
    (0x324e, 1, 70, 1),
    (0x324f, 1, 80, 1),
    (0x3251, 15, 21, 1),
    (0x3280, 10, 1, 1),
    (0x32b1, 15, 36, 1),
    (0x3405, 1, 5, 1),
    (0x3483, 1, 2, 1),
    (0x382a, 1, 5, 1),
    (0x3b4d, 1, 7, 1),
    (0x4e00, 1, 1, 1),
    (0x4e03, 1, 7, 1),
    (0x4e07, 1, 10000, 1),
    (0x4e09, 1, 3, 1),
    (0x4e5d, 1, 9, 1),
    (0x4e8c, 1, 2, 1),
    (0x4e94, 1, 5, 1),
    (0x4e96, 1, 4, 1),
    (0x4ebf, 1, 100_000_000, 1),
    (0x4ec0, 1, 10, 1),
    (0x4edf, 1, 1000, 1),
    (0x4ee8, 1, 3, 1),
    (0x4f0d, 1, 5, 1),
    (0x4f70, 1, 100, 1),
    (0x5104, 1, 100_000_000, 1),
    (0x5146, 1, 1_000_000_000_000, 1),
    (0x5169, 1, 2, 1),
    (0x516b, 1, 8, 1),
    (0x516d, 1, 6, 1),
    (0x5341, 1, 10, 1),
    (0x5343, 1, 1000, 1),
    (0x5344, 1, 20, 1),
    (0x5345, 1, 30, 1),
    (0x534c, 1, 40, 1),
    (0x53c1, 1, 3, 1),
    (0x53c2, 1, 3, 1),
    (0x53c3, 1, 3, 1),
    (0x53c4, 1, 3, 1),
    (0x56db, 1, 4, 1),
    (0x58f1, 1, 1, 1),
    (0x58f9, 1, 1, 1),
    (0x5e7a, 1, 1, 1),
    (0x5efe, 1, 9, 1),
    (0x5eff, 1, 20, 1),
    (0x5f0c, 3, 1, 1),
    (0x5f10, 1, 2, 1),
    (0x62fe, 1, 10, 1),
    (0x634c, 1, 8, 1),
    (0x67d2, 1, 7, 1),
    (0x6f06, 1, 7, 1),
    (0x7396, 1, 9, 1),
    (0x767e, 1, 100, 1),
    (0x8086, 1, 4, 1),
    (0x842c, 1, 10000, 1),
    (0x8cae, 1, 2, 1),
    (0x8cb3, 1, 2, 1),
    (0x8d30, 1, 2, 1),
    (0x9621, 1, 1000, 1),
    (0x9646, 1, 6, 1),
    (0x964c, 1, 100, 1),
    (0x9678, 1, 6, 1),
    (0x96f6, 1, 0, 1),
    (0xa6e6, 9, 1, 1),
    (0xa6ef, 1, 0, 1),
    (0xa830, 1, 1, 4),
    (0xa831, 1, 1, 2),
    (0xa832, 1, 3, 4),
    (0xa833, 1, 1, 16),
    (0xa834, 1, 1, 8),
    (0xa835, 1, 3, 16),
    (0xf96b, 1, 3, 1),
    (0xf973, 1, 10, 1),
    (0xf978, 1, 2, 1),
    (0xf9b2, 1, 0, 1),
    (0xf9d1, 1, 6, 1),
    (0xf9d3, 1, 6, 1),
    (0xf9fd, 1, 10, 1),
];

/// The decimal digit that a character is.
#[must_use]
pub fn decimal(c: char) -> Option<u32> {
    if c.is_ascii() {
        return c.to_digit(10);
    }
    let code = u32::from(c);
    let after = ZEROS.partition_point(|zero| *zero <= code);
    let digit = code - ZEROS[after.checked_sub(1)?];
    (digit < 10).then_some(digit)
}

/// The digit that a character is, superscripts and circled ones among them.
#[must_use]
pub fn digit(c: char) -> Option<u32> {
    decimal(c).or_else(|| {
        let code = u32::from(c);
        let after = DIGITS.partition_point(|(first, ..)| *first <= code);
        let (first, count, value) = DIGITS[after.checked_sub(1)?];
        (code - first < count).then(|| value + (code - first))
    })
}

/// The number that a character stands for.
#[must_use]
pub fn numeric(c: char) -> Option<f64> {
    if let Some(digit) = decimal(c) {
        return Some(f64::from(digit));
    }
    let code = u32::from(c);
    let after = NUMBERS.partition_point(|(first, ..)| *first <= code);
    let (first, count, numerator, denominator) = NUMBERS[after.checked_sub(1)?];
    let step = i64::from(code - first);
    (code - first < count).then(|| (numerator + step) as f64 / denominator as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_have_their_values() {
        assert_eq!(
            (decimal('7'), decimal('٣'), decimal('５')),
            (Some(7), Some(3), Some(5))
        );
        assert_eq!(
            (decimal('²'), digit('²'), digit('x')),
            (None, Some(2), None)
        );
        assert_eq!(
            (numeric('½'), numeric('Ⅻ'), numeric('五')),
            (Some(0.5), Some(12.0), Some(5.0))
        );
        assert_eq!(
            (numeric('兆'), numeric('a'), numeric('\u{10ffff}')),
            (Some(1e12), None, None)
        );
    }
}
