;; Wants a memory of 64-bit addresses, a terabyte of it.
  (core module $guest
    (memory (export "memory") 16)
    (memory i64 0x1000000)

    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
    (func (export "schema") (result i32) unreachable)
    (func (export "judge")
      (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
      unreachable))
