//! Prices of what is slow besides memory and arithmetic: conversions, vectors, references. Measured one by one in chains, each
//! waiting for the one before, at 0.35 ns for a unit: a call's fuel is then 7 s of any of them. What is not here takes a cycle
//! or two. At 1 for each, a call's fuel was 363 s of `ref.func` and 98 of `f32x4.convert_i32x4_u`.

use super::set;
use wasmtime::OperatorCost;

pub(super) fn price(cost: &mut OperatorCost) {
    // A call of the runtime, which the hook on the border does not see.
    cost.RefFunc = 200;
    cost.TableGet = 4;
    cost.TableSet = 4;
    numbers(cost);
    lanes(cost);
    integer_vectors(cost);
    float_vectors(cost);
}

/// Between the processor's two kinds of register, or by way of its flags.
fn numbers(cost: &mut OperatorCost) {
    const CONVERSION: u8 = 7;
    set(
        CONVERSION,
        [
            &mut cost.I32TruncF32S,
            &mut cost.I32TruncF32U,
            &mut cost.I32TruncF64S,
            &mut cost.I32TruncF64U,
            &mut cost.I64TruncF32S,
            &mut cost.I64TruncF32U,
            &mut cost.I64TruncF64S,
            &mut cost.I64TruncF64U,
            &mut cost.I32TruncSatF32S,
            &mut cost.I32TruncSatF32U,
            &mut cost.I32TruncSatF64S,
            &mut cost.I32TruncSatF64U,
            &mut cost.I64TruncSatF32S,
            &mut cost.I64TruncSatF32U,
            &mut cost.I64TruncSatF64S,
            &mut cost.I64TruncSatF64U,
            &mut cost.F32ConvertI32S,
            &mut cost.F32ConvertI32U,
            &mut cost.F32ConvertI64S,
            &mut cost.F32ConvertI64U,
            &mut cost.F64ConvertI32S,
            &mut cost.F64ConvertI32U,
            &mut cost.F64ConvertI64S,
            &mut cost.F64ConvertI64U,
            &mut cost.F32DemoteF64,
            &mut cost.F64PromoteF32,
            &mut cost.F32Min,
            &mut cost.F32Max,
            &mut cost.F64Min,
            &mut cost.F64Max,
        ],
    );
    const COMPARISON: u8 = 5;
    set(
        COMPARISON,
        [
            &mut cost.F32Eq,
            &mut cost.F32Ne,
            &mut cost.F32Lt,
            &mut cost.F32Gt,
            &mut cost.F32Le,
            &mut cost.F32Ge,
            &mut cost.F64Eq,
            &mut cost.F64Ne,
            &mut cost.F64Lt,
            &mut cost.F64Gt,
            &mut cost.F64Le,
            &mut cost.F64Ge,
        ],
    );
    const MOVE: u8 = 3;
    set(
        MOVE,
        [
            &mut cost.I32ReinterpretF32,
            &mut cost.I64ReinterpretF64,
            &mut cost.F32ReinterpretI32,
            &mut cost.F64ReinterpretI64,
        ],
    );
}

/// From a vector to a number or to memory, and back.
fn lanes(cost: &mut OperatorCost) {
    const LANE: u8 = 4;
    set(
        LANE,
        [
            &mut cost.I8x16Splat,
            &mut cost.I16x8Splat,
            &mut cost.I32x4Splat,
            &mut cost.I64x2Splat,
            &mut cost.I8x16ExtractLaneS,
            &mut cost.I8x16ExtractLaneU,
            &mut cost.I16x8ExtractLaneS,
            &mut cost.I16x8ExtractLaneU,
            &mut cost.I32x4ExtractLane,
            &mut cost.I64x2ExtractLane,
        ],
    );
    const REDUCTION: u8 = 6;
    set(
        REDUCTION,
        [
            &mut cost.V128AnyTrue,
            &mut cost.I8x16AllTrue,
            &mut cost.I16x8AllTrue,
            &mut cost.I32x4AllTrue,
            &mut cost.I64x2AllTrue,
            &mut cost.I8x16Bitmask,
            &mut cost.I16x8Bitmask,
            &mut cost.I32x4Bitmask,
            &mut cost.I64x2Bitmask,
        ],
    );
    const MEMORY: u8 = 6;
    set(
        MEMORY,
        [
            &mut cost.V128Load,
            &mut cost.V128Load8x8S,
            &mut cost.V128Load8x8U,
            &mut cost.V128Load16x4S,
            &mut cost.V128Load16x4U,
            &mut cost.V128Load32x2S,
            &mut cost.V128Load32x2U,
            &mut cost.V128Load8Splat,
            &mut cost.V128Load16Splat,
            &mut cost.V128Load32Splat,
            &mut cost.V128Load64Splat,
            &mut cost.V128Load32Zero,
            &mut cost.V128Load64Zero,
            &mut cost.V128Load8Lane,
            &mut cost.V128Load16Lane,
            &mut cost.V128Load32Lane,
            &mut cost.V128Load64Lane,
            &mut cost.V128Store,
            &mut cost.V128Store8Lane,
            &mut cost.V128Store16Lane,
            &mut cost.V128Store32Lane,
            &mut cost.V128Store64Lane,
        ],
    );
}

fn integer_vectors(cost: &mut OperatorCost) {
    // By an amount that comes out of another vector.
    const SHIFT: u8 = 8;
    set(
        SHIFT,
        [
            &mut cost.I8x16Shl,
            &mut cost.I8x16ShrS,
            &mut cost.I8x16ShrU,
            &mut cost.I16x8Shl,
            &mut cost.I16x8ShrS,
            &mut cost.I16x8ShrU,
            &mut cost.I32x4Shl,
            &mut cost.I32x4ShrS,
            &mut cost.I32x4ShrU,
            &mut cost.I64x2Shl,
            &mut cost.I64x2ShrS,
            &mut cost.I64x2ShrU,
        ],
    );
    const PRODUCT: u8 = 5;
    set(
        PRODUCT,
        [
            &mut cost.I16x8Mul,
            &mut cost.I32x4Mul,
            &mut cost.I32x4DotI16x8S,
            &mut cost.I16x8Q15MulrSatS,
            &mut cost.I16x8RelaxedQ15mulrS,
            &mut cost.I16x8ExtMulLowI8x16S,
            &mut cost.I16x8ExtMulLowI8x16U,
            &mut cost.I16x8ExtMulHighI8x16S,
            &mut cost.I16x8ExtMulHighI8x16U,
            &mut cost.I32x4ExtMulLowI16x8S,
            &mut cost.I32x4ExtMulLowI16x8U,
            &mut cost.I32x4ExtMulHighI16x8S,
            &mut cost.I32x4ExtMulHighI16x8U,
            &mut cost.I64x2ExtMulLowI32x4S,
            &mut cost.I64x2ExtMulLowI32x4U,
            &mut cost.I64x2ExtMulHighI32x4S,
            &mut cost.I64x2ExtMulHighI32x4U,
            &mut cost.I16x8ExtAddPairwiseI8x16S,
            &mut cost.I16x8ExtAddPairwiseI8x16U,
            &mut cost.I32x4ExtAddPairwiseI16x8S,
            &mut cost.I32x4ExtAddPairwiseI16x8U,
            &mut cost.I8x16Popcnt,
            &mut cost.I64x2Abs,
        ],
    );
    const COMPARISON: u8 = 3;
    set(
        COMPARISON,
        [
            &mut cost.I8x16LtU,
            &mut cost.I8x16GtU,
            &mut cost.I8x16LeS,
            &mut cost.I8x16LeU,
            &mut cost.I8x16GeS,
            &mut cost.I8x16GeU,
            &mut cost.I16x8LtU,
            &mut cost.I16x8GtU,
            &mut cost.I16x8LeS,
            &mut cost.I16x8LeU,
            &mut cost.I16x8GeS,
            &mut cost.I16x8GeU,
            &mut cost.I32x4LtU,
            &mut cost.I32x4GtU,
            &mut cost.I32x4LeS,
            &mut cost.I32x4LeU,
            &mut cost.I32x4GeS,
            &mut cost.I32x4GeU,
            &mut cost.I64x2LeS,
            &mut cost.I64x2GeS,
        ],
    );
    cost.I64x2Mul = 7;
    cost.I16x8RelaxedDotI8x16I7x16S = 8;
    cost.I32x4RelaxedDotI8x16I7x16AddS = 12;
}

fn float_vectors(cost: &mut OperatorCost) {
    const EXTREME: u8 = 12;
    set(
        EXTREME,
        [
            &mut cost.F32x4Min,
            &mut cost.F32x4Max,
            &mut cost.F64x2Min,
            &mut cost.F64x2Max,
            &mut cost.F32x4RelaxedMin,
            &mut cost.F32x4RelaxedMax,
            &mut cost.F64x2RelaxedMin,
            &mut cost.F64x2RelaxedMax,
        ],
    );
    const FUSED: u8 = 8;
    set(
        FUSED,
        [
            &mut cost.F32x4RelaxedMadd,
            &mut cost.F32x4RelaxedNmadd,
            &mut cost.F64x2RelaxedMadd,
            &mut cost.F64x2RelaxedNmadd,
        ],
    );
    const TRUNCATION: u8 = 12;
    set(
        TRUNCATION,
        [
            &mut cost.I32x4TruncSatF32x4S,
            &mut cost.I32x4TruncSatF32x4U,
            &mut cost.I32x4TruncSatF64x2SZero,
            &mut cost.I32x4TruncSatF64x2UZero,
            &mut cost.I32x4RelaxedTruncF32x4S,
            &mut cost.I32x4RelaxedTruncF32x4U,
            &mut cost.I32x4RelaxedTruncF64x2SZero,
            &mut cost.I32x4RelaxedTruncF64x2UZero,
        ],
    );
    const CONVERSION: u8 = 7;
    set(
        CONVERSION,
        [
            &mut cost.F32x4ConvertI32x4S,
            &mut cost.F64x2ConvertLowI32x4S,
            &mut cost.F64x2ConvertLowI32x4U,
            &mut cost.F32x4DemoteF64x2Zero,
            &mut cost.F64x2PromoteLowF32x4,
        ],
    );
    // In halves, each converted and rounded by itself.
    cost.F32x4ConvertI32x4U = 14;
}
