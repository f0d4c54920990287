//! What a Lua script may do: compute, within a budget.
//!
//! Argo CD runs scripts by gopher-lua, which is Lua 5.1 with `goto`. So this is Lua 5.2, which has `goto` and the same
//! numbers, with what 5.1 had under other names. Tables are walked in the order of their keys, else equal objects could be
//! told apart by chance.
//!
//! There is no file, no process, no clock, no chance and no code made at run time; `os.time` and `os.date` tell the
//! instant that the verdict is for, in UTC. Every instruction counts, and what happens inside one call of the string
//! library is charged by what it could take, since nothing interrupts it.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::rc::Rc;

use mlua::{
    Error, Function, HookTriggers, Lua, LuaOptions, MultiValue, Result, StdLib, Table, Value, Variadic, VmState,
};

use crate::time::Timestamp;

/// Instructions a script may take.
const STEPS: u64 = 300_000;
/// Between two looks at the count.
const LOOK: u32 = 1_000;
/// What a script may allocate beside the object, in bytes.
const MEMORY: usize = 8 * 1024 * 1024;
/// Bytes that a library function handles for the price of an instruction.
const STEP_BYTES: u64 = 8;
/// Places of a text that a pattern is tried at for that price.
const STEP_CUTS: u64 = 64;
/// Patterns with more repetitions are refused.
const MOST_REPEATS: u64 = 32;
/// Globals of the base library that read files, make code, or show addresses.
const BARRED: [&str; 13] = [
    "load",
    "loadstring",
    "loadfile",
    "dofile",
    "collectgarbage",
    "newproxy",
    "print",
    "xpcall",
    "coroutine",
    "getfenv",
    "setfenv",
    "module",
    "gcinfo",
];

/// How much a script has taken.
#[derive(Clone, Default)]
struct Meter(Rc<Cell<u64>>);

/// Opens an interpreter without budget; the object is put in before [`limit`].
pub(super) fn open(now: Timestamp) -> Result<Lua> {
    let lua = Lua::new_with(StdLib::TABLE | StdLib::STRING | StdLib::MATH, LuaOptions::default())?;
    let globals = lua.globals();
    for name in BARRED {
        globals.raw_set(name, Value::Nil)?;
    }
    let math: Table = globals.get("math")?;
    for name in ["random", "randomseed"] {
        math.raw_set(name, Value::Nil)?;
    }
    let string: Table = globals.get("string")?;
    string.raw_set("dump", Value::Nil)?;
    // What Lua 5.1 had.
    let table: Table = globals.get("table")?;
    globals.raw_set("unpack", table.get::<Function>("unpack")?)?;
    table.raw_set("getn", lua.create_function(|_, list: Table| Ok(list.raw_len()))?)?;
    let os = clock(&lua, now)?;
    globals.raw_set("os", os)?;
    Ok(lua)
}

/// Starts the budget.
pub(super) fn limit(lua: &Lua) -> Result<()> {
    let meter = Meter::default();
    let globals = lua.globals();
    let string: Table = globals.get("string")?;
    for name in ["find", "match", "gmatch", "gsub"] {
        let original: Function = string.get(name)?;
        string.raw_set(name, metered(lua, &meter, original, move |args| pattern_cost(name, args))?)?;
    }
    for name in ["rep", "format", "lower", "upper", "reverse", "sub"] {
        let original: Function = string.get(name)?;
        string.raw_set(name, metered(lua, &meter, original, move |args| text_cost(name, args))?)?;
    }
    let table: Table = globals.get("table")?;
    for name in ["concat", "sort", "insert", "remove"] {
        let original: Function = table.get(name)?;
        table.raw_set(name, metered(lua, &meter, original, list_cost)?)?;
    }
    globals.raw_set("pairs", ordered_pairs(lua, &meter)?)?;
    globals.raw_set("tostring", plain_tostring(lua)?)?;
    globals.raw_set("pcall", guarded_call(lua, &meter)?)?;
    let modules: Vec<(&str, Table)> =
        ["os", "string", "table", "math"].iter().filter_map(|name| Some((*name, globals.get(*name).ok()?))).collect();
    let require = lua.create_function(move |_, name: String| {
        let found = modules.iter().find(|(module, _)| *module == name);
        found.map(|(_, table)| table.clone()).ok_or_else(|| wrong(format!("there is no module `{name}` here")))
    })?;
    globals.raw_set("require", require)?;
    let triggers = HookTriggers::new().every_nth_instruction(LOOK);
    lua.set_hook(triggers, move |_, _| meter.spend(u64::from(LOOK)).map(|()| VmState::Continue))?;
    lua.set_memory_limit(lua.used_memory().saturating_add(MEMORY))?;
    Ok(())
}

impl Meter {
    fn spend(&self, steps: u64) -> Result<()> {
        self.0.set(self.0.get().saturating_add(steps));
        self.check()
    }

    fn check(&self) -> Result<()> {
        if self.0.get() > STEPS { Err(wrong("it takes too many steps on this object".to_owned())) } else { Ok(()) }
    }
}

/// Wraps a function of a library so that a call is charged before it runs.
fn metered(
    lua: &Lua,
    meter: &Meter,
    original: Function,
    cost: impl Fn(&MultiValue) -> u64 + 'static,
) -> Result<Function> {
    let meter = meter.clone();
    lua.create_function(move |_, args: MultiValue| {
        meter.spend(cost(&args))?;
        original.call::<MultiValue>(args)
    })
}

/// Errors may be caught, the end of the budget may not.
fn guarded_call(lua: &Lua, meter: &Meter) -> Result<Function> {
    let meter = meter.clone();
    lua.create_function(move |lua, (function, args): (Value, MultiValue)| {
        let result = match &function {
            Value::Function(function) => function.call::<MultiValue>(args),
            other => Err(wrong(format!("attempt to call a {} value", other.type_name()))),
        };
        meter.check()?;
        Ok(match result {
            Ok(mut values) => {
                values.push_front(Value::Boolean(true));
                values
            }
            Err(Error::MemoryError(text)) => return Err(Error::MemoryError(text)),
            Err(error) => {
                let text = error.to_string();
                let text = lua.create_string(text.lines().next().unwrap_or_default())?;
                MultiValue::from_iter([Value::Boolean(false), Value::String(text)])
            }
        })
    })
}

/// Walks a table by its keys: numbers, then texts, each in order, then the rest as it comes.
fn ordered_pairs(lua: &Lua, meter: &Meter) -> Result<Function> {
    let meter = meter.clone();
    lua.create_function(move |lua, table: Table| {
        let mut keys = Vec::new();
        for pair in table.pairs::<Value, Value>() {
            keys.push(pair?.0);
        }
        meter.spend(keys.len() as u64 / STEP_BYTES)?;
        let rank = |key: &Value| match key {
            Value::Integer(_) | Value::Number(_) => 0,
            Value::String(_) => 1,
            _ => 2,
        };
        keys.sort_by(|left, right| match (left, right) {
            (Value::String(left), Value::String(right)) => (*left.as_bytes()).cmp(&*right.as_bytes()),
            _ => {
                let numbers = left.as_f64().zip(right.as_f64());
                let by_number = numbers.map_or(Ordering::Equal, |(left, right)| left.total_cmp(&right));
                rank(left).cmp(&rank(right)).then(by_number)
            }
        });
        let (rest, of) = (RefCell::new(keys.into_iter()), table.clone());
        let next = lua.create_function(move |_, _: MultiValue| {
            // What was taken out while the table is walked is passed over.
            for key in &mut *rest.borrow_mut() {
                let value: Value = of.raw_get(key.clone())?;
                if !value.is_nil() {
                    return Ok((key, value));
                }
            }
            Ok((Value::Nil, Value::Nil))
        })?;
        Ok((next, table, Value::Nil))
    })
}

/// Addresses differ from run to run.
fn plain_tostring(lua: &Lua) -> Result<Function> {
    let original: Function = lua.globals().get("tostring")?;
    lua.create_function(move |lua, value: Value| match &value {
        Value::Nil | Value::Boolean(_) | Value::Integer(_) | Value::Number(_) | Value::String(_) => {
            original.call::<Value>(value)
        }
        other => Ok(Value::String(lua.create_string(other.type_name())?)),
    })
}

/// What matching a pattern can take: each repetition may be tried at each place of the text.
fn pattern_cost(name: &str, args: &MultiValue) -> u64 {
    let length = |at: usize| args.get(at).and_then(Value::as_string).map_or(0, |text| text.as_bytes().len() as u64);
    let plain = name == "find" && args.get(3).is_some_and(|plain| !matches!(plain, Value::Nil | Value::Boolean(false)));
    let repeats = args.get(1).and_then(Value::as_string).map_or(0, |pattern| {
        let bytes = pattern.as_bytes();
        // Behind a bracket of a capture such a sign stands for itself.
        let is_repeat = |pair: &&[u8]| matches!(pair, [before, b'*' | b'+' | b'-' | b'?'] if !b"()".contains(before));
        bytes.windows(2).filter(is_repeat).count() + bytes.windows(2).filter(|pair| *pair == b"%b").count()
    });
    let repeats = if plain { 0 } else { repeats as u64 };
    // So many ways there are to cut the text at the ends of the repetitions, from each of its places: C(n + k, k).
    let places = length(0).saturating_add(1);
    let cuts = (1..=repeats.min(MOST_REPEATS))
        .try_fold(places, |ways, repeat| Some(ways.checked_mul(length(0).checked_add(repeat)?)? / repeat));
    let cuts = cuts.filter(|_| repeats <= MOST_REPEATS).unwrap_or(u64::MAX);
    cuts / STEP_CUTS + length(1) / STEP_BYTES + 1
}

fn text_cost(name: &str, args: &MultiValue) -> u64 {
    let length = args.iter().filter_map(Value::as_string).fold(0_u64, |all, text| all + text.as_bytes().len() as u64);
    let times = match (name, args.get(1)) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        ("rep", Some(Value::Number(times))) => *times as u64,
        ("rep", Some(Value::Integer(times))) => u64::try_from(*times).unwrap_or(0),
        _ => 1,
    };
    length.saturating_mul(times) / STEP_BYTES + 1
}

fn list_cost(args: &MultiValue) -> u64 {
    let length = args.front().and_then(Value::as_table).map_or(0, |table| table.raw_len() as u64);
    // Sorting compares about so often; the others do less.
    length.saturating_mul(u64::from(length.max(1).ilog2()) + 1) / STEP_BYTES + 1
}

/// Rule: Argo CD's `oslib_safe`: `os.time` and `os.date` alone.
fn clock(lua: &Lua, now: Timestamp) -> Result<Table> {
    let os = lua.create_table()?;
    #[expect(clippy::cast_precision_loss, reason = "Lua 5.2 has no other numbers")]
    let seconds = now.millis().div_euclid(1000) as f64;
    let time = lua.create_function(move |_, of: Option<Table>| {
        let Some(of) = of else { return Ok(seconds) };
        let field = |name: &str, default: i64| match of.raw_get::<Value>(name)? {
            #[expect(clippy::cast_possible_truncation, reason = "saturates")]
            Value::Number(number) => Ok::<_, Error>(number as i64),
            Value::Integer(number) => Ok(number),
            _ => Ok(default),
        };
        let days = days(field("year", 1970)?, field("month", 1)?, field("day", 1)?);
        let of_day = [(field("hour", 12)?, 3600), (field("min", 0)?, 60), (field("sec", 0)?, 1)];
        let of_day = of_day.iter().fold(0_i64, |all, (count, of)| all.saturating_add(count.saturating_mul(*of)));
        #[expect(clippy::cast_precision_loss, reason = "Lua 5.2 has no other numbers")]
        Ok(days.saturating_mul(86_400).saturating_add(of_day) as f64)
    })?;
    os.raw_set("time", time)?;
    let date = lua.create_function(move |lua, args: Variadic<Value>| {
        let format = args.first().and_then(Value::as_string).map(|text| text.to_string_lossy());
        #[expect(clippy::cast_possible_truncation, reason = "saturates")]
        let millis = match args.get(1) {
            Some(Value::Number(seconds)) => (seconds * 1000.0) as i64,
            Some(Value::Integer(seconds)) => seconds.saturating_mul(1000),
            _ => now.millis(),
        };
        let at = Timestamp::from_millis(millis);
        let format = format.unwrap_or_else(|| "%c".to_owned());
        let format = format.trim_start_matches('!');
        if format.starts_with("*t") {
            return broken_down(lua, at).map(Value::Table);
        }
        lua.create_string(formatted(format, at)).map(Value::String)
    })?;
    os.raw_set("date", date)?;
    Ok(os)
}

/// Counts days since 1970-01-01 in the Gregorian calendar; months beyond 12 run on, as `mktime` has it.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month, day) =
        (year.clamp(-100_000, 100_000), month.clamp(-100_000, 100_000), day.clamp(-10_000_000, 10_000_000));
    let months = year * 12 + month - 1;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    // Years begin in March, so that the leap day is the last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// Returns year, month, day, hour, minute and second, as they are written.
fn parts(at: Timestamp) -> [String; 6] {
    // `2026-03-01T12:00:00Z`
    let text = at.to_string();
    let mut numbers = text.split(|sign: char| !sign.is_ascii_digit()).filter(|number| !number.is_empty());
    std::array::from_fn(|_| numbers.next().unwrap_or("0").to_owned())
}

fn weekday(at: Timestamp) -> usize {
    // 1970-01-01 was a Thursday.
    usize::try_from((at.millis().div_euclid(86_400_000) + 4).rem_euclid(7)).unwrap_or(0)
}

fn broken_down(lua: &Lua, at: Timestamp) -> Result<Table> {
    let table = lua.create_table()?;
    for (name, number) in ["year", "month", "day", "hour", "min", "sec"].into_iter().zip(parts(at)) {
        table.raw_set(name, number.parse::<f64>().unwrap_or(0.0))?;
    }
    table.raw_set("wday", weekday(at) + 1)?;
    table.raw_set("yday", 0)?;
    table.raw_set("isdst", false)?;
    Ok(table)
}

fn formatted(format: &str, at: Timestamp) -> String {
    const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
    let [year, month, day, hour, minute, second] = parts(at);
    let mut text = String::new();
    let mut signs = format.chars();
    while let Some(sign) = signs.next() {
        if sign != '%' {
            text.push(sign);
            continue;
        }
        match signs.next() {
            Some('Y') => text += &year,
            Some('m') => text += &month,
            Some('d') => text += &day,
            Some('H') => text += &hour,
            Some('M') => text += &minute,
            Some('S') => text += &second,
            Some('F') => text += &format!("{year}-{month}-{day}"),
            Some('X') => text += &format!("{hour}:{minute}:{second}"),
            Some('c') => text += &format!("{year}-{month}-{day} {hour}:{minute}:{second}"),
            Some('A') => text += DAYS.get(weekday(at)).copied().unwrap_or_default(),
            Some('w') => text += &weekday(at).to_string(),
            Some('z') => text += "+0000",
            Some('Z') => text += "UTC",
            Some(other) => text.extend(['%', other]),
            None => text.push('%'),
        }
    }
    text
}

fn wrong(text: String) -> Error {
    Error::RuntimeError(text)
}
