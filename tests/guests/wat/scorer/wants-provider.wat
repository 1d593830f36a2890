;; Wants to call the provider's plugin.
  (import "xhost:plugin/provider@0.1.0" (instance
    (export "schema" (func (result string)))))

  (core module $guest
    (memory (export "memory") 16)

    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
    (func (export "schema") (result i32) unreachable)
    (func (export "judge")
      (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
      unreachable))
