//! How unlike a word a run of letters is, from the cost of each pair of neighbouring letters.
//!
//! One table of 27 x 27 costs (the letters and the edge of the word) stands for the languages that API
//! authors write in. Words cost 3 to 4.2 bits a letter, random letters more than 5.5. There is no
//! dictionary: `geldbote` and `webhook` are words to it, `xkqzv` is not.

/// Costs in fifths of a bit as base-62 digits; row = letter before, column = letter, 26 = edge of word.
const COSTS: &[u8; 27 * 27] = b"\
mOLNdYPaPnVGNElPmFKESUXfTbL\
EOffDovkGewEfhFpzHPbHmmzVzS\
EuUrGxvEJzINrsDukKWKMzzzUsO\
LcfSCgVdEguRbbLiyONhPdazWp8\
NZPHRWWeXnhLQHZThCENcWZVYiF\
HjmqFHmnDxsGmkFrzIVNHzvzTzO\
IkzmFlPMJwrMaRMmzJPeNzizVr8\
DbkiBfrkEtnWWXEkvPUOMzazQxH\
MVJPJTPpoqdLPAJSiPHJcQsgxSV\
AzzzDnzzIznzzzBnzjjzArrzzza\
JXifAbjTDmbNZPPczUIdTzYzQzD\
FbbSCbdlDzaGZdIbykPSOamxJvI\
BMboCgwnEzzeNZGIvjPoNrozXzI\
KeLJGWDeJiUdhSOhigJGVairajE\
STOQYXPdToWJLBMOnFMMJRPbZgP\
FhkkDlpKHumJgjGLzFOOMzlzYzN\
blzzzzzzYzzdzzlzzzpp0zpzzzV\
FWTQDbUdFpWVRSHXpRKNPafzRsF\
OgPlJjnLKxXUTXQPenJEQpZzZz7\
IfWqCgnKCzuTddJkzJMOOvbzPfF\
NONPNVQmNlcHKEZOuFEIrfsfkcW\
Dxtn5zurAzzgztJtzieqVhzzazU\
BWiVDeiKDzaQdLGczONbfzkzbqK\
KlJzFhlQDzzejjOEoojFPZdVSoD\
OWSWNeaeQsjRQRSQzTMWapYjtj4\
Egmm7zrWDziPcdKerjhfVgfzTJI\
KKHLONONOVWOKSRJdLGLTUQodgz";

/// The edge of a word.
const EDGE: usize = 26;

/// What one letter costs after another, in fifths of a bit.
fn cost(before: usize, letter: usize) -> f64 {
    let digit = COSTS.get(before * 27 + letter).copied().unwrap_or(b'z');
    f64::from(match digit {
        b'0'..=b'9' => digit - b'0',
        b'A'..=b'Z' => digit - b'A' + 10,
        _ => digit.wrapping_sub(b'a').wrapping_add(36),
    })
}

/// The summed cost in bits of a word of ASCII letters, its end included, scaled to the letters alone.
pub(super) fn bits(word: &[u8]) -> f64 {
    let mut before = EDGE;
    let mut sum = 0.0;
    let mut letters = 0.0;
    for byte in word {
        let letter = usize::from(byte.to_ascii_lowercase().wrapping_sub(b'a')).min(EDGE);
        sum += cost(before, letter);
        before = letter;
        letters += 1.0;
    }
    (sum + cost(before, EDGE)) / 5.0 / (letters + 1.0) * letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_cost_less_than_random_letters() {
        let per_letter = |word: &str| bits(word.as_bytes()) / f64::from(u32::try_from(word.len()).unwrap());
        for word in ["accounts", "payments", "beneficiaries", "konten", "albums", "search"] {
            assert!(per_letter(word) < 4.4, "{word} {}", per_letter(word));
        }
        for noise in ["xkqzvw", "qpzrtw", "zzhqxj"] {
            assert!(per_letter(noise) > 5.5, "{noise} {}", per_letter(noise));
        }
    }
}
