;; Two components in one, as tools that compose make them: `front` imports what `words` exports, and both come from outside
;; as components with modules of their own. `build` asks the other component, and the host for a random number.
(component
  (import "wasi:random/random@0.2.0" (instance $random (export "get-random-u64" (func (result u64)))))

  (component $words
    (core module $m
      (global $asked (mut i32) (i32.const 0))
      (func (export "next") (result i32)
        (global.set $asked (i32.add (global.get $asked) (i32.const 1)))
        (global.get $asked)))
    (core instance $i (instantiate $m))
    (func $next (result u32) (canon lift (core func $i "next")))
    (instance $source (export "next" (func $next)))
    (export "test:words/source" (instance $source)))

  (component $front
    (import "test:words/source" (instance $source (export "next" (func (result u32)))))
    (import "wasi:random/random@0.2.0" (instance $random (export "get-random-u64" (func (result u64)))))
    (core func $next (canon lower (func $source "next")))
    (core func $draw (canon lower (func $random "get-random-u64")))
    (core module $m
      (import "source" "next" (func $next (result i32)))
      (import "random" "draw" (func $draw (result i64)))
      (global $built (mut i32) (i32.const 0))
      (global $drawn (mut i64) (i64.const 0))
      (func (export "build")
        (global.set $built (call $next))
        (global.set $drawn (call $draw)))
      (func (export "built") (result i32) (global.get $built))
      (func (export "drawn") (result i64) (global.get $drawn)))
    (core instance $i (instantiate $m
      (with "source" (instance (export "next" (func $next))))
      (with "random" (instance (export "draw" (func $draw))))))
    (func $build (canon lift (core func $i "build")))
    (func $built (result u32) (canon lift (core func $i "built")))
    (func $drawn (result u64) (canon lift (core func $i "drawn")))
    (instance $probe
      (export "build" (func $build))
      (export "built" (func $built))
      (export "drawn" (func $drawn)))
    (export "test:odd/probe" (instance $probe)))

  (instance $w (instantiate $words))
  (instance $f (instantiate $front
    (with "test:words/source" (instance $w "test:words/source"))
    (with "wasi:random/random@0.2.0" (instance $random))))
  (export "test:odd/probe" (instance $f "test:odd/probe")))
