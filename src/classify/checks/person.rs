//! What describes a person: names, dates, genders, countries, and the words of health and belief.

use hashbrown::HashSet;
use std::sync::LazyLock;

/// Legal forms and words of trade that names of people do not have, lower case, dots removed.
const COMPANY_WORDS: &str = "\
    ltd limited plc llc llp lp inc incorporated corp corporation co company group holding holdings \
    gmbh ag kg kgaa ohg gbr ug ev eg mbh gesmbh sa sas sarl sasu eurl snc scp sci srl spa sapa sl \
    slu slne slp scom sc cb scra scoop sll bv nv vof cv cvba bvba sprl ab hb kb as asa aps ivs ks oy \
    oyj ky tmi spol sro vos zrt kft bt nyrt rt ooo oao zao pte pty pvt kk bhd sdn ltda eireli epp \
    lda sgps spzoo spj spk zoo dba sti tic associates partners partnership brothers bros sons \
    hermanos hnos fils figli filhos zoon zonen synowie syn syno asociados associes associati \
    associados stiftung stiftungen fundacja fundacion fundacao fondation fondazione stichting \
    foundation trust bank banco banca banque bankas banka caixa sparkasse volksbank insurance \
    services servicios solutions systems consulting industries international enterprises trading \
    logistics technologies software studio studios media energy capital ventures investments \
    stowarzyszenie spoldzielnia przedsiebiorstwo zaklad gabinety instalaciones construcciones \
    talleres inmobiliaria finanzas transportes supermarket restaurant hotel cooperativa cooperative \
    genossenschaft verein universität university school hospital ministry council authority ppuh phu \
    fhu phup account credit savings konto girokonto compte cuenta conta conto rekening saver \
    mortgage loan despacho industrias manufacturas suministros distribuciones comercial grupo gruppe \
    groupe gruppo gmbhco cia pao uab sia ou doo dd ad eood ood groep gruppen groupement sàrl scarl \
    scrl commv ebvba vzw asbl vennootschap handelsbolag aktiebolag osakeyhtiö kommandiittiyhtiö \
    sønner söner brødrene sons zrt kkt kht nyrt şti aş sirketi şirketi ticaret sanayi holding tbk \
    persero perusahaan jdoo dooel kdd dno mb vši tmi kg ohg ltd eingetragener gmbh ООО ОАО ЗАО ПАО \
    ТОО ИП АО ГК Групп Группа ТОВ ПАТ ПрАТ ФОП ЕООД ООД АД КД ЕТ СД ΑΕ ΟΕ ΕΕ ΕΠΕ ΙΚΕ ΑΒΕΕ \
    ΟΜΙΛΟΣ";

/// Marks of organisations in scripts that write no spaces between words, or stand around the name.
const COMPANY_MARKS: [&str; 16] = [
    "株式会社",
    "有限会社",
    "合同会社",
    "合資会社",
    "公司",
    "集团",
    "集團",
    "주식회사",
    "유한회사",
    "합자회사",
    "(주)",
    "(유)",
    "บริษัท",
    "จำกัด",
    "Công ty",
    "شركة",
];

/// The known words, for looking up.
static KNOWN: LazyLock<HashSet<&'static [u8], foldhash::fast::FixedState>> =
    LazyLock::new(|| COMPANY_WORDS.split(' ').map(str::as_bytes).collect());
/// First letters of the known words by length: most words of names end here.
static FIRST: LazyLock<[u32; 32]> = LazyLock::new(|| {
    let mut first = [0; 32];
    for word in COMPANY_WORDS.split(' ') {
        if let (Some(slot), Some(letter)) = (first.get_mut(word.len()), word.bytes().next()) {
            *slot |= 1 << (letter & 31);
        }
    }
    first
});

/// Whether a text reads as the name of an organisation: a legal form, a word of trade, `&`, `A, B and C`.
pub(crate) fn company(value: &[u8]) -> bool {
    if value.contains(&b'&') {
        return true;
    }
    if !value.is_ascii()
        && COMPANY_MARKS.iter().any(|mark| memchr::memmem::find(value, mark.as_bytes()).is_some())
    {
        return true;
    }
    let mut words = 0;
    let mut comma = false;
    let mut rest = value;
    while !rest.is_empty() {
        // Legal forms are often written with dots and spaces: sp. z o.o., S. L.
        let (mut end, mut len, mut initial) = (0, 0, 0);
        for byte in rest {
            match byte {
                b' ' | b',' | b'/' | b'(' | b')' => {
                    comma |= *byte == b',';
                    break;
                }
                b'.' | b'\'' => {}
                _ => {
                    if len == 0 {
                        initial = *byte;
                    }
                    len += 1;
                }
            }
            end += 1;
        }
        let piece = rest.get(..end).unwrap_or_default();
        rest = rest.get(end + 1..).unwrap_or_default();
        if len == 0 {
            continue;
        }
        // A first word that is a short form is rather a title or a given name ("Ag", "Co").
        if (words > 0 || len > 3) && is_company_word(piece, len, initial) {
            return true;
        }
        words += 1;
    }
    comma
        && [&b" and "[..], b" und ", b" et ", b" y ", b" e ", b" i ", b" en "]
            .iter()
            .any(|and| memchr::memmem::find(value, and).is_some())
}

/// Whether `piece`, which has `len` bytes without its dots, the first of them `initial`, is a known word.
fn is_company_word(piece: &[u8], len: usize, initial: u8) -> bool {
    let letter = initial.to_ascii_lowercase() & 31;
    if FIRST.get(len).is_none_or(|letters| letters >> letter & 1 == 0) {
        return false;
    }
    let mut word = [0_u8; 32];
    let letters = piece.iter().filter(|byte| !matches!(byte, b'.' | b'\''));
    for (slot, byte) in word.iter_mut().zip(letters) {
        *slot = byte.to_ascii_lowercase();
    }
    word.get(..len).is_some_and(|word| KNOWN.contains(word))
}

/// One to seven words of letters with the signs that names have; no company, no word of an enumeration.
pub(crate) fn name(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    // Letters of some scripts take three bytes.
    if !(2..=200).contains(&value.len()) {
        return false;
    }
    let mut letters = 0;
    let mut words = 1;
    let mut ascii = true;
    for byte in value {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => letters += 1,
            b' ' => words += 1,
            b'.' | b'\'' | b'-' | b',' | b'`' | b'/' => {}
            0x80.. => ascii = false,
            _ => return false,
        }
    }
    if ascii {
        return letters >= 2
            && words <= 8
            && value.len() <= 80
            && !company(value)
            && !is_flag(value)
            && !(words == 1 && value.len() > 40);
    }
    let Ok(text) = std::str::from_utf8(value) else { return false };
    letters = 0;
    words = 1;
    for letter in text.chars() {
        match letter {
            ' ' | '\u{3000}' => words += 1,
            '.' | '\'' | '-' | '’' | ',' | '´' | '`' | '·' | '・' | '/' => {}
            // A family name may be one character.
            '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' => letters += 2,
            other if other.is_alphabetic() || ('\u{300}'..='\u{36f}').contains(&other) => letters += 1,
            // Vowels and tones that are written beside their letter.
            '\u{5b0}'..='\u{5c7}'
            | '\u{64b}'..='\u{655}'
            | '\u{900}'..='\u{109f}'
            | '\u{1780}'..='\u{17ff}'
            | '\u{200c}'
            | '\u{200d}' => {}
            _ => return false,
        }
    }
    letters >= 2
        && words <= 8
        && text.chars().count() <= 80
        && !company(value)
        && !(words == 1 && text.len() > 40)
}

fn is_flag(value: &[u8]) -> bool {
    matches!(value, b"true" | b"false" | b"TRUE" | b"FALSE" | b"True" | b"False")
}

fn number(digits: &[u8]) -> Option<u32> {
    (!digits.is_empty() && digits.len() <= 4 && digits.iter().all(u8::is_ascii_digit))
        .then(|| digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
}

/// A date from 1900 to 2030 in any everyday order, perhaps with a time behind it.
pub(crate) fn birth_date(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    if !(8..=35).contains(&value.len()) {
        return false;
    }
    let in_range =
        |y: u32, m: u32, d: u32| (1900..=2030).contains(&y) && (1..=12).contains(&m) && (1..=31).contains(&d);
    if value.len() == 8 && value.iter().all(u8::is_ascii_digit) {
        let part = |start: usize, end: usize| value.get(start..end).and_then(number).unwrap_or_default();
        return in_range(part(0, 4), part(4, 6), part(6, 8))
            || in_range(part(4, 8), part(2, 4), part(0, 2))
            || in_range(part(4, 8), part(0, 2), part(2, 4));
    }
    let end = value
        .iter()
        .position(|byte| matches!(byte, b'T' | b' '))
        .filter(|at| *at >= 8)
        .unwrap_or(value.len());
    let date = value.get(..end).unwrap_or_default();
    if date.len() > 10 {
        return false;
    }
    let mut pieces = date.split(|byte| matches!(byte, b'-' | b'/' | b'.'));
    let (Some(a), Some(b), Some(c), None) = (pieces.next(), pieces.next(), pieces.next(), pieces.next())
    else {
        return false;
    };
    let (Some(a_number), Some(b_number), Some(c_number)) = (number(a), number(b), number(c)) else {
        return false;
    };
    if a.len() == 4 {
        in_range(a_number, b_number, c_number)
    } else {
        let year = match c.len() {
            4 => c_number,
            2 => 1900 + c_number,
            _ => return false,
        };
        in_range(year, b_number, a_number) || in_range(year, a_number, b_number)
    }
}

/// Words and codes for genders, in many languages.
const GENDERS: &str = "\
    m|f|x|w|d|k|h|o|u|n|v|male|female|man|woman|men|women|other|divers|diverse|unknown|masculino|\
    feminino|femenino|masculin|feminin|féminin|maschio|femmina|maschile|femminile|männlich|\
    weiblich|maennlich|mannlich|homme|femme|hombre|mujer|homem|mulher|uomo|donna|vrouw|mannelijk|\
    vrouwelijk|kobieta|mężczyzna|mezczyzna|meski|męski|zenski|żeńska|żeński|kvinna|kvinde|mand|\
    kvinne|mann|nainen|mies|žena|muž|kadın|erkek|kadin|non-binary|nonbinary|non binary|non_binary|\
    outro|otro|autre|altro|anders|inny|annat|andet|muu|jiné|diğer|prefer not to say|not specified|\
    not stated|transgender|intersex|agender|no binario|não binário|non binaire|fr|herr|frau|masc|\
    fem|nő|férfi|0|1|2|9|man/male|inter|andere|onbekend|nieokreślona|nao informado|no binaria|\
    masculine|feminine|genderqueer|genderfluid|undisclosed";

/// The same, for looking up.
static KNOWN_GENDERS: LazyLock<HashSet<&'static str, foldhash::fast::FixedState>> =
    LazyLock::new(|| GENDERS.split('|').collect());

/// A word for a gender or its usual one-letter code or number, in many languages.
pub(crate) fn gender(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value.trim_ascii()) else { return false };
    if text.is_empty() || text.len() > 24 {
        return false;
    }
    let lower = text.to_lowercase();
    KNOWN_GENDERS.contains(lower.as_str())
}

/// A country's code or the word for a nationality: two or three letters, or letters and spaces.
pub(crate) fn country(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    let Ok(text) = std::str::from_utf8(value) else { return false };
    match value.len() {
        0 | 1 => false,
        2 => super::finance::is_country(&[
            value.first().map_or(0, u8::to_ascii_uppercase),
            value.get(1).map_or(0, u8::to_ascii_uppercase),
        ]),
        3 => value.iter().all(u8::is_ascii_alphabetic),
        len => {
            len <= 48
                && text.chars().all(|letter| letter.is_alphabetic() || " -'().,".contains(letter))
                && !matches!(text, "true" | "false" | "True" | "False")
        }
    }
}

/// A few words of text: letters first of all; no flag, number, date, link or token.
pub(crate) fn words(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let letters = text.chars().filter(|letter| letter.is_alphabetic()).count();
    (2..=160).contains(&value.len())
        && letters >= 2
        && letters * 3 >= text.chars().count() * 2
        && !matches!(
            text,
            "true"
                | "false"
                | "True"
                | "False"
                | "TRUE"
                | "FALSE"
                | "yes"
                | "no"
                | "Yes"
                | "No"
                | "YES"
                | "NO"
        )
        && !text.contains("://")
        && !text.contains('@')
        && !text.split(' ').any(|word| word.len() > 40)
}

/// ICD-10: a letter, a digit, a digit or letter, perhaps a point and up to four more.
pub(crate) fn icd10(value: &[u8]) -> bool {
    match value {
        [letter, digit, third, rest @ ..] => {
            letter.is_ascii_uppercase()
                && digit.is_ascii_digit()
                && third.is_ascii_alphanumeric()
                && match rest {
                    [] => true,
                    [b'.', sub @ ..] => {
                        (1..=4).contains(&sub.len()) && sub.iter().all(u8::is_ascii_alphanumeric)
                    }
                    sub => sub.len() <= 4 && sub.iter().all(u8::is_ascii_digit),
                }
        }
        _ => false,
    }
}

/// ABO group and rhesus factor.
pub(crate) fn blood_type(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value.trim_ascii()) else { return false };
    if text.len() > 24 {
        return false;
    }
    let upper = text.to_uppercase().replace('−', "-");
    let Some(rest) = ["AB", "A", "B", "O", "0"].iter().find_map(|group| upper.strip_prefix(group)) else {
        return false;
    };
    let rest: String = rest.chars().filter(|letter| !" ()_.".contains(*letter)).collect();
    let rest = rest.strip_prefix("RHD").or_else(|| rest.strip_prefix("RH")).unwrap_or(&rest);
    matches!(
        rest,
        "+" | "-"
            | "POS"
            | "NEG"
            | "POSITIVE"
            | "NEGATIVE"
            | "POSITIV"
            | "NEGATIV"
            | "POSITIVO"
            | "NEGATIVO"
            | "POSITIF"
            | "NÉGATIF"
            | "NEGATIF"
            | "PLUS"
            | "MINUS"
            | "-POS"
            | "-NEG"
            | "-POSITIVE"
            | "-NEGATIVE"
            | "POSITIEF"
            | "NEGATIEF"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyday_forms_pass_and_likenesses_do_not() {
        let table: &[crate::classify::checks::Sample] = &[
            (name, "Dr. Genoveva Henk MBA.", "Hänel KG"),
            (name, "Łukasz", "Talleres del Levante S.A."),
            (name, "Ana Lívia Melo", "Richardson, Ingram and Archer"),
            (name, "O'Neil-Smith", "node-17.internal"),
            (name, "SMITH", "Guerrero & Asociados S.L."),
            (name, "Ezequiel Rodriguez", "PPUH Pasierbek-Gorzelańczyk i syn s.c."),
            (birth_date, "1990-06-09", "1990-13-09"),
            (birth_date, "19.06.1994", "1.2.3"),
            (birth_date, "19560727", "99999999"),
            (birth_date, "1936-05-23T00:00:00Z", "12:00"),
            (gender, "Femmina", "Fast"),
            (country, "PRT", "12"),
            (country, "portuguesa", "XQ"),
            (icd10, "H00.9", "H0"),
            (blood_type, "AB neg", "ABC"),
            (blood_type, "0 Rh+", "B2B"),
            (words, "Cukrzyca typu 2", "true"),
        ];
        for (check, good, bad) in table {
            assert!(check(good.as_bytes()), "{good}");
            assert!(!check(bad.as_bytes()), "{bad}");
        }
    }
}
