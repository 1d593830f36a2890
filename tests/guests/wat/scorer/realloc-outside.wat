;; Hands out memory that it does not have.
  (core module $guest
    (memory (export "memory") 16)
    (data (i32.const 8) "\10\00\00\00\02\00\00\00{}")

    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
      (i32.const 0xfffffff0))

    (func (export "schema") (result i32) (i32.const 8))

    (func (export "judge")
      (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
      unreachable))
