// Package wasm runs the WASM code of a Substrate runtime in this process. It is for the
// development chain and for tests. It holds code that is ready to run, and no state: each call
// gets the storage that it reads and changes. It never checks a seal, signs nothing, and no part
// of a registry or of a verifier uses it.
package wasm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// MaxCode is the most bytes of code, unpacked.
const MaxCode = 64 << 20

// maxWindow is the largest window of compressed code: those of real networks name 128 MiB.
const maxWindow = 256 << 20

var (
	// ErrCode says that the code is not a runtime that this package can run.
	ErrCode = errors.New("the code is not a runtime that can run here")
	// ErrNoFunction says that the runtime does not export the function.
	ErrNoFunction = errors.New("the runtime has no such function")
	// ErrTrap says that the runtime stopped in the middle of a call. The storage keeps
	// the changes before.
	ErrTrap = errors.New("the runtime stopped")
)

// Code is a runtime that is ready to run. Calls may run at the same time.
type Code struct {
	runtime wazero.Runtime
	module  wazero.CompiledModule
}

// packed begins code that is compressed with zstd.
var packed = []byte{0x52, 0xbc, 0x53, 0x76, 0x46, 0xdb, 0x8e, 0x05}

// Compile makes code ready: the value of the storage key :code, compressed or not. It takes some
// seconds for a runtime of 1 MB. Its errors wrap ErrCode.
func Compile(ctx context.Context, code []byte) (*Code, error) {
	if bytes.HasPrefix(code, packed) {
		r, err := zstd.NewReader(bytes.NewReader(code[len(packed):]), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCode, err)
		}
		defer r.Close()
		if code, err = io.ReadAll(io.LimitReader(r, MaxCode+1)); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCode, err)
		}
	}
	if len(code) > MaxCode {
		return nil, fmt.Errorf("%w: it has more than %d bytes", ErrCode, MaxCode)
	}
	own, err := ownMemory(code)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCode, err)
	}
	c := &Code{runtime: wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithMemoryLimitPages(maxPages).WithCloseOnContextDone(true))}
	if c.module, err = c.runtime.CompileModule(ctx, own); err == nil {
		err = c.link(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrCode, err), c.runtime.Close(ctx))
	}
	return c, nil
}

// link gives the runtime the functions that it imports. A function that this package does not
// have stops the call that needs it.
func (c *Code) link(ctx context.Context) error {
	host := c.runtime.NewHostModuleBuilder("env")
	for _, f := range c.module.ImportedFunctions() {
		module, name, _ := f.Import()
		if module != "env" {
			return fmt.Errorf("it imports %s of %s", name, module)
		}
		does := functions[name]
		results := len(f.ResultTypes())
		host.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, _ api.Module, stack []uint64) {
			if does == nil {
				panic(name + " is missing here")
			}
			if v := does(ctx.Value(key{}).(*call), stack); results > 0 {
				stack[0] = v
			}
		}), f.ParamTypes(), f.ResultTypes()).Export(name)
	}
	_, err := host.Instantiate(ctx)
	return err
}

// Close frees the memory of the code. No call may run.
func (c *Code) Close(ctx context.Context) error { return c.runtime.Close(ctx) }

// key finds the call in a context.
type key struct{}

// Call runs a function of the runtime on a state, and returns its result as SCALE. Its errors
// wrap ErrNoFunction or ErrTrap; that of a trap has the last messages of the runtime.
func (c *Code) Call(ctx context.Context, st Storage, function string, input []byte) ([]byte, error) {
	if _, found := c.module.ExportedFunctions()[function]; !found {
		return nil, fmt.Errorf("%w: %s", ErrNoFunction, function)
	}
	k := &call{st: st}
	k.version = func(code []byte) ([]byte, error) {
		other, err := Compile(ctx, code)
		if err != nil {
			return nil, err
		}
		defer func() { _ = other.Close(ctx) }()
		return other.Call(ctx, st, "Core_version", nil)
	}
	ctx = context.WithValue(ctx, key{}, k)
	in, err := c.runtime.InstantiateModule(ctx, c.module, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrTrap, function, err)
	}
	defer func() { _ = in.Close(ctx) }()
	base := in.ExportedGlobal("__heap_base")
	k.memory = in.ExportedMemory(memoryName)
	if base == nil || k.memory == nil {
		return nil, fmt.Errorf("%w: it has no heap", ErrCode)
	}
	k.heap = heap{memory: k.memory, end: uint32(base.Get()+7) &^ 7, sizes: map[uint32]int{}}
	at, err := k.heap.store(input)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrTrap, function, err)
	}
	out, err := in.ExportedFunction(function).Call(ctx, at&0xffffffff, at>>32)
	if err != nil {
		why, _, _ := strings.Cut(err.Error(), "\n")
		return nil, fmt.Errorf("%w: %s: %s%s", ErrTrap, function, why, strings.Join(k.logs, ""))
	}
	if len(out) != 1 {
		return nil, fmt.Errorf("%w: %s has no result", ErrTrap, function)
	}
	result, found := k.memory.Read(uint32(out[0]), uint32(out[0]>>32))
	if !found {
		return nil, fmt.Errorf("%w: the result of %s is outside of its memory", ErrTrap, function)
	}
	return bytes.Clone(result), nil
}
