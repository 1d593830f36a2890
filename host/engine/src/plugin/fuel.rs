//! What computing costs a guest, in fuel. Fuel is the only clock, so that a verdict is the same on every machine; prices are
//! there so that it is a clock at all: chains of one operator, each tried by itself, take 1 to 8 s for a call's fuel. What no
//! price can know is how far memory is: loads that wait for one another (11 s), or for a store (21 s), or that miss every cache.

/// Prices of what is slow besides memory and arithmetic.
mod slow;

use wasmtime::OperatorCost;

/// What a call may use. Python's interpreter makes 0.7 s of it.
pub(super) const BUDGET: u64 = 20_000_000_000;
/// So that a budget is not eaten by the size of the input.
pub(super) const PER_INPUT_BYTE: u64 = 4_000;
/// What one call of the host costs, for the dearest that there is takes a tenth of a millisecond: loops of such calls end as
/// loops do.
pub(super) const PER_HOST_CALL: u64 = 200_000;
/// What a random number costs besides, for one call brings 65,536 of them and makes each by itself: without a price of theirs,
/// a loop of such calls ran for 108 s.
pub(super) const PER_RANDOM_NUMBER: u64 = 200;

/// What an operator costs; 1 where nothing is said. Measured on two slow cores in loops of nothing else. At 1 for each, half of
/// this budget was an empty loop of 13 s, calls of 14 s, square roots of more than 33 s, and failing `memory.grow` of minutes.
pub(super) fn operators() -> OperatorCost {
    let mut cost = OperatorCost {
        // An empty loop is a branch a nanosecond.
        Br: 8,
        BrIf: 4,
        BrTable: 8,
        Call: 10,
        CallIndirect: 14,
        ReturnCall: 10,
        ReturnCallIndirect: 14,
        // The kernel gives memory.
        MemoryGrow: 255,
        TableGrow: 255,
        // Calls of the runtime, however little there is to do.
        MemoryFill: 50,
        MemoryCopy: 50,
        MemoryInit: 50,
        TableFill: 50,
        TableCopy: 50,
        TableInit: 50,
        I32DivS: 12,
        I32DivU: 12,
        I32RemS: 12,
        I32RemU: 12,
        I64DivS: 24,
        I64DivU: 24,
        I64RemS: 24,
        I64RemU: 24,
        ..OperatorCost::default()
    };
    cost.variable.memory_grow_per_page = 255;
    loads_and_stores(&mut cost);
    floats(&mut cost);
    slow::price(&mut cost);
    cost
}

fn set<const N: usize>(price: u8, operators: [&mut u8; N]) {
    for operator in operators {
        *operator = price;
    }
}

/// Memory of the first cache has a latency of its own.
fn loads_and_stores(cost: &mut OperatorCost) {
    const MEMORY: u8 = 2;
    set(
        MEMORY,
        [
            &mut cost.I32Load,
            &mut cost.I64Load,
            &mut cost.F32Load,
            &mut cost.F64Load,
            &mut cost.I32Load8S,
            &mut cost.I32Load8U,
            &mut cost.I32Load16S,
            &mut cost.I32Load16U,
            &mut cost.I64Load8S,
            &mut cost.I64Load8U,
            &mut cost.I64Load16S,
            &mut cost.I64Load16U,
            &mut cost.I64Load32S,
            &mut cost.I64Load32U,
            &mut cost.I32Store,
            &mut cost.I64Store,
            &mut cost.F32Store,
            &mut cost.F64Store,
            &mut cost.I32Store8,
            &mut cost.I32Store16,
            &mut cost.I64Store8,
            &mut cost.I64Store16,
            &mut cost.I64Store32,
        ],
    );
}

/// Each of them also makes every NaN the same one.
fn floats(cost: &mut OperatorCost) {
    // Subnormal numbers are slow.
    const ARITHMETIC: u8 = 8;
    const ROUNDING: u8 = 14;
    const DIVISION: u8 = 30;
    const ROOT: u8 = 40;
    set(
        ARITHMETIC,
        [
            &mut cost.F32Add,
            &mut cost.F32Sub,
            &mut cost.F32Mul,
            &mut cost.F64Add,
            &mut cost.F64Sub,
            &mut cost.F64Mul,
            &mut cost.F32x4Add,
            &mut cost.F32x4Sub,
            &mut cost.F32x4Mul,
            &mut cost.F64x2Add,
            &mut cost.F64x2Sub,
            &mut cost.F64x2Mul,
        ],
    );
    set(
        ROUNDING,
        [
            &mut cost.F32Ceil,
            &mut cost.F32Floor,
            &mut cost.F32Trunc,
            &mut cost.F32Nearest,
            &mut cost.F64Ceil,
            &mut cost.F64Floor,
            &mut cost.F64Trunc,
            &mut cost.F64Nearest,
            &mut cost.F32x4Ceil,
            &mut cost.F32x4Floor,
            &mut cost.F32x4Trunc,
            &mut cost.F32x4Nearest,
            &mut cost.F64x2Ceil,
            &mut cost.F64x2Floor,
            &mut cost.F64x2Trunc,
            &mut cost.F64x2Nearest,
        ],
    );
    set(
        DIVISION,
        [
            &mut cost.F32Div,
            &mut cost.F64Div,
            &mut cost.F32x4Div,
            &mut cost.F64x2Div,
        ],
    );
    set(
        ROOT,
        [
            &mut cost.F32Sqrt,
            &mut cost.F64Sqrt,
            &mut cost.F32x4Sqrt,
            &mut cost.F64x2Sqrt,
        ],
    );
}

#[cfg(test)]
mod tests {
    use super::super::engine::Engine;
    use super::super::sandbox::{self, Borders};
    use super::{BUDGET, PER_RANDOM_NUMBER, operators};
    use wasmtime::{AsContextMut, CallHook, Instance, Module, Trap};
    use wasmtime_wasi::WasiView;
    use wasmtime_wasi::p2::bindings::random::{insecure, random};

    fn of_a_thousand(engine: &Engine, body: &str) -> u64 {
        let text = format!(
            "(module (func (export \"run\") (local $left i32) (local $f f64)
               (local.set $left (i32.const 1000))
               (loop $again {body}
                 (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))"
        );
        let bytes = wat::parse_str(text).expect("it is a module");
        let module = Module::new(engine.wasmtime(), bytes).expect("it compiles");
        let mut store =
            sandbox::store(engine.wasmtime(), [0; 32], 0, Borders::Outside).expect("a store");
        let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
        let run = instance.get_typed_func::<(), ()>(&mut store, "run");
        run.expect("it is exported")
            .call(&mut store, ())
            .expect("it ends");
        BUDGET - store.get_fuel().expect("fuel is counted")
    }

    #[test]
    fn slow_operators_cost_what_they_take() {
        let engine = Engine::new(None).expect("an engine");
        let empty = of_a_thousand(&engine, "");
        let price = operators();
        assert!(empty >= 1_000 * u64::from(price.BrIf), "{empty}");
        let root = "(local.set $f (f64.sqrt (local.get $f)))";
        let roots = of_a_thousand(&engine, root) - empty;
        assert!(roots >= 1_000 * u64::from(price.F64Sqrt), "{roots}");
        assert!(price.F64Sqrt >= 40 && price.BrIf >= 4);
        for (body, least) in [
            ("(drop (ref.func 0))", price.RefFunc),
            (
                "(drop (i64.trunc_sat_f64_u (local.get $f)))",
                price.I64TruncSatF64U,
            ),
            (
                "(drop (f32x4.convert_i32x4_u (v128.const i64x2 1 1)))",
                price.F32x4ConvertI32x4U,
            ),
        ] {
            let those = of_a_thousand(&engine, body) - empty;
            assert!(those >= 1_000 * u64::from(least), "{body}: {those}");
        }
        assert!(price.RefFunc >= 150 && price.I64TruncSatF64U >= 7);
        assert!(price.F32x4ConvertI32x4U >= 14);
    }

    #[test]
    fn random_numbers_are_paid_for_when_the_call_that_brings_them_returns() {
        let engine = Engine::new(None).expect("an engine");
        for secure in [true, false] {
            let mut store =
                sandbox::store(engine.wasmtime(), [7; 32], 0, Borders::Outside).expect("a store");
            let numbers = store.data_mut().ctx().ctx.random();
            let bytes = match secure {
                true => random::Host::get_random_bytes(numbers, 65_536),
                false => insecure::Host::get_insecure_random_bytes(numbers, 65_536),
            };
            assert_eq!(bytes.expect("they are not too many").len(), 65_536);
            let mut returns =
                || sandbox::on_the_border(store.as_context_mut(), &CallHook::ReturningFromHost);
            returns().expect("there is fuel for them");
            returns().expect("nothing is paid twice");
            assert_eq!(
                BUDGET - store.get_fuel().expect("fuel is counted"),
                65_536 * PER_RANDOM_NUMBER
            );
            store.set_fuel(PER_RANDOM_NUMBER - 1).expect("it is set");
            let numbers = store.data_mut().ctx().ctx.random();
            random::Host::get_random_u64(numbers).expect("a number");
            let ends = sandbox::on_the_border(store.as_context_mut(), &CallHook::ReturningFromHost);
            let error = ends.expect_err("there is too little");
            assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::OutOfFuel));
        }
    }
}
