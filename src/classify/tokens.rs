//! Keys as words: how `creditorAccountIBAN`, `creditor-account-iban` and `CREDITOR_ACCOUNT_IBAN` become one.
//!
//! A key is split where its writer meant a boundary (case, separators, digits), folded (lower case, no
//! diacritics, `ä` and `ae` alike) and freed of digits. What is still glued together (`kundentelefonnummer`)
//! is for the vocabulary to split, which knows the words.

/// The words of `name`, folded, digits left out.
#[must_use]
pub fn words(name: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut word = String::new();
    let letters: Vec<char> = name.chars().collect();
    for (at, letter) in letters.iter().enumerate() {
        if !letter.is_alphabetic() {
            end(&mut word, &mut all);
            continue;
        }
        if letter.is_uppercase() {
            let before = at.checked_sub(1).and_then(|at| letters.get(at));
            let behind = letters.get(at + 1);
            let after_small = before.is_some_and(|before| before.is_lowercase());
            // The last capital of a run begins the next word: IBANNumber.
            let ends_run = before.is_some_and(|before| before.is_uppercase())
                && behind.is_some_and(|behind| behind.is_lowercase())
                // ... but a plural s behind a run does not: IDs.
                && !(behind == Some(&'s') && letters.get(at + 2).is_none_or(|next| !next.is_lowercase()));
            if after_small || ends_run {
                end(&mut word, &mut all);
            }
        }
        fold(*letter, &mut word);
    }
    end(&mut word, &mut all);
    all
}

fn end(word: &mut String, all: &mut Vec<String>) {
    if !word.is_empty() {
        all.push(canonical(word));
        word.clear();
    }
}

/// One letter in lower case without its marks.
fn fold(letter: char, out: &mut String) {
    let plain = match letter {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ă' | 'ą' | 'À' | 'Á' | 'Â' | 'Ã' | 'Ä' | 'Å' | 'Ā'
        | 'Ă' | 'Ą' => "a",
        'æ' | 'Æ' => "ae",
        'ç' | 'ć' | 'č' | 'Ç' | 'Ć' | 'Č' => "c",
        'ď' | 'đ' | 'ð' | 'Ď' | 'Đ' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ę' | 'ě' | 'ė' | 'È' | 'É' | 'Ê' | 'Ë' | 'Ę' | 'Ě' | 'Ė' => {
            "e"
        }
        'ğ' | 'Ğ' => "g",
        'ì' | 'í' | 'î' | 'ï' | 'ı' | 'ī' | 'į' | 'Ì' | 'Í' | 'Î' | 'Ï' | 'İ' => "i",
        'ł' | 'ľ' | 'ĺ' | 'Ł' | 'Ľ' => "l",
        'ñ' | 'ń' | 'ň' | 'Ñ' | 'Ń' | 'Ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ő' | 'Ò' | 'Ó' | 'Ô' | 'Õ' | 'Ö' | 'Ø' | 'Ő' => {
            "o"
        }
        'ř' | 'ŕ' | 'Ř' => "r",
        'ś' | 'š' | 'ş' | 'ș' | 'Ś' | 'Š' | 'Ş' | 'Ș' => "s",
        'ß' => "ss",
        'ť' | 'ț' | 'ţ' | 'Ť' | 'Ț' => "t",
        'ù' | 'ú' | 'û' | 'ü' | 'ů' | 'ű' | 'ū' | 'ų' | 'Ù' | 'Ú' | 'Û' | 'Ü' | 'Ů' | 'Ű' => {
            "u"
        }
        'ý' | 'ÿ' | 'Ý' => "y",
        'ź' | 'ż' | 'ž' | 'Ź' | 'Ż' | 'Ž' => "z",
        other => {
            out.extend(other.to_lowercase().filter(|letter| letter.is_alphabetic()));
            return;
        }
    };
    out.push_str(plain);
}

/// The form in which spellings meet: `ae`, `oe` and `ue` as `a`, `o` and `u`, double `a` as one.
fn canonical(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    let mut letters = word.chars().peekable();
    while let Some(letter) = letters.next() {
        out.push(letter);
        let next = letters.peek().copied();
        if (matches!(letter, 'a' | 'o' | 'u') && next == Some('e')) || (letter == 'a' && next == Some('a')) {
            letters.next();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_has_the_same_words() {
        for (name, expected) in [
            ("creditorAccountIBAN", "creditor account iban"),
            ("CREDITOR_ACCOUNT_IBAN", "creditor account iban"),
            ("creditor-account.iban", "creditor account iban"),
            ("IBANNumber", "iban number"),
            ("userIDs", "user ids"),
            ("address1Line2", "address line"),
            ("Staatsangehörigkeit", "statsangehorigkeit"),
            ("staatsangehoerigkeit", "statsangehorigkeit"),
            ("Imię", "imie"),
            ("$", ""),
        ] {
            assert_eq!(words(name).join(" "), expected, "{name}");
        }
    }
}
